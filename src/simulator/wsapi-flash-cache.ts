import { Refusal } from './codes.js';
import { membersOf, OK } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';

/** reference 4.6 */
export const FLASH_CACHE_ROUTES: Route[] = [
  {
    method: 'GET',
    path: '/flashcache',
    handle: ({ array }) => {
      if (array.flashCache === undefined) throw missing();
      return { status: 200, body: { ...array.flashCache, state: 1 } };
    },
  },
  { method: 'POST', path: '/flashcache', handle: postFlashCache },
  {
    method: 'DELETE',
    path: '/flashcache',
    handle: ({ array }) => {
      if (array.flashCache === undefined) throw missing();
      array.flashCache = undefined;
      for (const set of array.volumeSets.values()) set.flashCache = false;
      return OK;
    },
  },
];

const missing = (): Refusal => new Refusal('NON_EXISTENT_FLASH_CACHE', 'the system has no flash cache');

function postFlashCache(request: WsapiRequest): Reply {
  const outer = membersOf(request);
  const body = outer.findObject('flashCache');
  outer.done();
  if (body === undefined) throw new Refusal('MISSING_REQUIRED', 'flashCache is required', 'flashCache');
  const flashCache = { sizeGiB: body.getInteger('sizeGiB', { min: 16 }), mode: body.findEnum('mode', [1, 2]) ?? 2 };
  body.done();
  if (request.array.flashCache !== undefined) {
    throw new Refusal('EXISTENT_FLASH_CACHE', 'the system has a flash cache already');
  }
  request.array.flashCache = flashCache;
  return { status: 201 };
}
