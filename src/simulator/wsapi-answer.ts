import type { IncomingHttpHeaders } from 'node:http';
import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { Members } from './wsapi-body.js';
import { FLASH_CACHE_ROUTES } from './wsapi-flash-cache.js';
import { HOST_ROUTES } from './wsapi-hosts.js';
import { QOS_ROUTES } from './wsapi-qos.js';
import { REMOTE_COPY_ROUTES } from './wsapi-remote-copy.js';
import { matchPath } from './wsapi-route.js';
import type { Reply, Route } from './wsapi-route.js';
import { apiVersion, SYSTEM_ROUTES } from './wsapi-system.js';
import { TASK_ROUTES } from './wsapi-tasks.js';
import { VLUN_ROUTES } from './wsapi-vluns.js';
import { VOLUME_SET_ROUTES } from './wsapi-volume-sets.js';
import { VOLUME_ROUTES } from './wsapi-volumes.js';

export interface ReceivedRequest {
  method: string;
  /** With its query. */
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Endpoint {
  pair: ArrayPair;
  array: SimulatedArray;
  user: string;
  password: string;
}

const ROUTES = [
  ...SYSTEM_ROUTES,
  ...VOLUME_ROUTES,
  ...VOLUME_SET_ROUTES,
  ...HOST_ROUTES,
  ...VLUN_ROUTES,
  ...REMOTE_COPY_ROUTES,
  ...TASK_ROUTES,
  ...QOS_ROUTES,
  ...FLASH_CACHE_ROUTES,
];

/** What the array answers. @throws Refusal for everything that it does not do */
export async function answer(endpoint: Endpoint, request: ReceivedRequest): Promise<Reply> {
  const { pair, array } = endpoint;
  const { segments, query } = splitPath(request.path);
  if (segments.join('/') === 'api' && request.method === 'GET') return { status: 200, body: apiVersion(array) };
  if (segments[0] !== 'api' || segments[1] !== 'v1')
    throw new Refusal('URI_RES_NOT_FOUND', `no resource ${request.path}`);
  const rest = segments.slice(2);
  if (rest.join('/') === 'credentials' && request.method === 'POST') return logIn(endpoint, parseBody(request.text));
  array.sessions.use(sessionKey(request.headers));
  const { route, params } = findRoute(request.method, rest);
  for (const name of query.keys()) {
    if (route.query?.includes(name) !== true) throw new Refusal('INV_INPUT', `unknown query parameter ${name}`, name);
  }
  const handle = () => route.handle({ pair, array, params, query, body: parseBody(request.text) });
  if (route.method === 'GET') return handle();
  return pair.exclusive(() => {
    // The power may have gone while this request waited for its turn; nobody gets the answer then.
    if (!array.powered) throw new Refusal('INT_SERV_ERR', 'the array has no power');
    return handle();
  });
}

function splitPath(path: string): { segments: string[]; query: URLSearchParams } {
  const [pathname = '', search = ''] = path.split(/\?(.*)/s);
  try {
    return { segments: pathname.split('/').slice(1).map(decodeURIComponent), query: new URLSearchParams(search) };
  } catch {
    throw new Refusal('URI_RES_NOT_FOUND', `no resource ${path}`);
  }
}

function findRoute(method: string, segments: string[]): { route: Route; params: Record<string, string> } {
  let known = false;
  for (const route of ROUTES) {
    const params = matchPath(route, segments);
    if (params === undefined) continue;
    if (route.method === method) return { route, params };
    known = true;
  }
  const path = `/${segments.join('/')}`;
  if (known) throw new Refusal('UNSUP_OP', `${method} is not supported for ${path}`);
  throw new Refusal('URI_RES_NOT_FOUND', `no resource ${path}`);
}

function parseBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Refusal('JSON_SYNTAX', 'JSON syntax error');
  }
}

/** reference 1.1 */
function logIn(endpoint: Endpoint, input: unknown): Reply {
  const body = new Members(input);
  const user = body.getText('user');
  const password = body.getText('password');
  body.done();
  if (user !== endpoint.user || password !== endpoint.password) {
    throw new Refusal('INV_USER_PASS', 'invalid user or password');
  }
  const key = endpoint.array.sessions.create();
  return { status: 201, location: `/credentials/${key}`, body: { key } };
}

function sessionKey(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['x-hp3par-wsapi-sessionkey'];
  return Array.isArray(value) ? value[0] : value;
}

/** A success that looks real: for the fault `ok-not-done`. */
export function pretendedReply(request: ReceivedRequest): Reply {
  const { segments } = splitPath(request.path);
  const [kind = '', instance] = segments.slice(2);
  if (request.method !== 'POST') return { status: 200 };
  const body = membersIn(parseBody(request.text));
  const text = (name: string): string => textIn(body, name);
  if (instance !== undefined) {
    if (text('action') === 'createPhysicalCopy') return { status: 200, body: { taskid: 999_999 } };
    if (text('action') !== 'createSnapshot') return { status: 200 };
    return { status: 201, location: `/volumes/${textIn(membersIn(body.get('parameters')), 'name')}` };
  }
  if (kind === 'qos') return { status: 201, location: `/qos/vvset:${text('name')}` };
  if (kind !== 'vluns') return { status: 201, location: `/${kind}/${text('name')}` };
  return { status: 201, location: `/vluns/${text('volumeName')},${text('lun')},${text('hostname')}` };
}

const membersIn = (value: unknown): Map<string, unknown> =>
  new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : []);

function textIn(members: Map<string, unknown>, name: string): string {
  const value = members.get(name);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
