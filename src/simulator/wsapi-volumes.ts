import { Refusal } from './codes.js';
import { createVolume, deleteVolume, MAX_SIZE_MIB, modifyVolume } from './volumes.js';
import { COMMENT, NAME } from './wsapi-body.js';
import { collection, created, findQuery, membersOf, OK, param, parseEquality } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';
import { lifetimeOf, postVolumeAction, putVolumeAction } from './wsapi-volume-actions.js';
import { viewVolume } from './wsapi-volume-view.js';

/** reference 4.1 */
export const VOLUME_ROUTES: Route[] = [
  { method: 'GET', path: '/volumes', query: ['query'], handle: listVolumes },
  { method: 'POST', path: '/volumes', handle: postVolume },
  { method: 'POST', path: '/volumes/:name', handle: postVolumeAction },
  {
    method: 'GET',
    path: '/volumes/:name',
    handle: (request) => ({
      status: 200,
      body: viewVolume(request.array, request.array.getVolume(param(request, 'name'))),
    }),
  },
  { method: 'PUT', path: '/volumes/:name', handle: putVolume },
  {
    method: 'DELETE',
    path: '/volumes/:name',
    handle: async (request) => {
      await deleteVolume(request.array, param(request, 'name'));
      return OK;
    },
  },
];

function listVolumes(request: WsapiRequest): Reply {
  const volumes = [...request.array.volumes.values()];
  const query = findQuery(request);
  if (query === undefined) return collection(volumes.map((volume) => viewVolume(request.array, volume)));
  const { field, value } = parseEquality(query, ['copyOf', 'snapCPG', 'userCPG', 'wwn', 'name']);
  const found = volumes
    .map((volume) => viewVolume(request.array, volume))
    .filter((view) => matches(view, field, value));
  return collection(found);
}

function matches(view: Record<string, unknown>, field: string, value: string): boolean {
  const actual = view[field];
  // WWNs are compared as numbers are: without regard to case.
  return typeof actual === 'string' && (field === 'wwn' ? actual === value.toUpperCase() : actual === value);
}

/** reference 4.2 */
async function postVolume(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  // reference 1.3
  if (request.array.os < '3.3.1' && body.has('compression')) {
    throw new Refusal('INV_INPUT', 'unknown member compression', 'compression');
  }
  const wanted = {
    name: body.getText('name', NAME),
    cpg: body.getText('cpg', NAME),
    sizeMiB: body.getInteger('sizeMiB', { max: MAX_SIZE_MIB, tooLarge: true }),
    snapCpg: body.findText('snapCPG', NAME),
    tpvv: body.flag('tpvv'),
    tdvv: body.flag('tdvv'),
    compression: body.flag('compression'),
    comment: body.findText('comment', COMMENT) ?? '',
    ...lifetimeOf(body),
  };
  body.done();
  if (wanted.sizeMiB < 256) throw new Refusal('EXCEEDS_RANGE', 'sizeMiB is less than 256', 'sizeMiB');
  await createVolume(request.array, wanted);
  return created(`/volumes/${wanted.name}`);
}

async function putVolume(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  if (body.has('action')) return putVolumeAction(request, body);
  const change = {
    newName: body.findText('newName', NAME),
    comment: body.findText('comment', COMMENT),
    ...lifetimeOf(body),
    removeExpiration: body.flag('rmExpTime'),
  };
  body.done();
  const volume = await modifyVolume(request.array, param(request, 'name'), change);
  return { status: 200, location: `/volumes/${volume.name}` };
}
