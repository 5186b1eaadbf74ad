import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import { changePaths, createHost, deleteHost, findHostsByPath, modifyHost, removeChap, setChap } from './hosts.js';
import type { HostPaths } from './hosts.js';
import type { Host } from './model.js';
import { loggedIn } from './vluns.js';
import type { Members } from './wsapi-body.js';
import { NAME } from './wsapi-body.js';
import { collection, created, findQuery, membersOf, OK, param } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';

/** reference 5.1 */
export const HOST_ROUTES: Route[] = [
  { method: 'GET', path: '/hosts', query: ['query'], handle: listHosts },
  { method: 'POST', path: '/hosts', handle: postHost },
  {
    method: 'GET',
    path: '/hosts/:name',
    handle: (request) => ({
      status: 200,
      body: viewHost(request.array, request.array.getHost(param(request, 'name'))),
    }),
  },
  { method: 'PUT', path: '/hosts/:name', handle: putHost },
  {
    method: 'DELETE',
    path: '/hosts/:name',
    handle: (request) => {
      deleteHost(request.array, param(request, 'name'));
      return OK;
    },
  },
];

const PERSONAS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as const;
const DESCRIPTORS = ['location', 'IPAddr', 'os', 'model', 'contact', 'comment'];

function listHosts(request: WsapiRequest): Reply {
  const query = findQuery(request);
  const hosts =
    query === undefined ? [...request.array.hosts.values()] : findHostsByPath(request.array, parsePathQuery(query));
  return collection(hosts.map((host) => viewHost(request.array, host)));
}

/** `FCPaths[wwn==A OR wwn==B] OR iSCSIPaths[name==iqn…]`: reference 5.1. */
function parsePathQuery(query: string): HostPaths {
  const paths: HostPaths = { wwns: [], iqns: [] };
  const term = '(?:wwn|name)==[^\\s\\]]+';
  const list = `(?:FCPaths|iSCSIPaths)\\[${term}(?: OR ${term})*\\]`;
  if (!new RegExp(`^${list}(?: OR ${list})*$`).test(query)) {
    throw new Refusal('INV_INPUT', `unknown query: ${query}`, 'query');
  }
  for (const [, kind, value] of query.matchAll(/(wwn|name)==([^\s\]]+)/g)) {
    if (value === undefined) continue;
    if (kind === 'wwn') paths.wwns.push(value.toUpperCase());
    else paths.iqns.push(value);
  }
  return paths;
}

function postHost(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const wanted = {
    name: body.getText('name', NAME),
    domain: body.findText('domain', NAME),
    persona: body.findEnum('persona', PERSONAS) ?? 2,
    descriptors: readDescriptors(body) ?? {},
    ...readPaths(body),
  };
  body.ignore('forceTearDown');
  body.done();
  createHost(request.array, wanted);
  return created(`/hosts/${wanted.name}`);
}

function putHost(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const name = param(request, 'name');
  if (body.has('chapOperation')) return putChap(request, body);
  const operation = body.findEnum('pathOperation', [1, 2]);
  if (operation === undefined) {
    const change = {
      newName: body.findText('newName', NAME),
      persona: body.findEnum('persona', PERSONAS),
      descriptors: readDescriptors(body),
    };
    body.done();
    return { status: 200, location: `/hosts/${modifyHost(request.array, name, change).name}` };
  }
  const paths = readPaths(body);
  const force = body.flag('forcePathRemoval');
  body.done();
  changePaths(request.array, name, { ...paths, operation: operation === 1 ? 'add' : 'remove', force });
  return { status: 200, location: `/hosts/${name}` };
}

/** Of an initiator only; target CHAP and secrets in hex are not simulated. */
function putChap(request: WsapiRequest, body: Members): Reply {
  const name = param(request, 'name');
  const operation = body.getEnum('chapOperation', [1, 2]);
  const mode = body.findEnum('chapOperationMode', [1, 2]);
  for (const flag of ['chapSecretHex', 'chapRemoveTargetOnly']) {
    if (body.flag(flag)) throw new Refusal('UNSUP_OP', `${flag} is not simulated`, flag);
  }
  if (mode === 2) throw new Refusal('UNSUP_OP', 'target CHAP is not simulated', 'chapOperationMode');
  const chapName = body.findText('chapName', { max: 223, chars: /^[\x21-\x7e]+$/ });
  if (operation === 1) {
    if (mode === undefined) throw new Refusal('MISSING_REQUIRED', 'chapOperationMode is required', 'chapOperationMode');
    const secret = body.getText('chapSecret');
    body.done();
    setChap(request.array, name, { name: chapName, secret });
  } else {
    body.done();
    removeChap(request.array, name);
  }
  return { status: 200, location: `/hosts/${name}` };
}

function readPaths(body: Members): HostPaths {
  const wwns = (body.findTexts('FCWWNs') ?? []).map((wwn) => wwn.replaceAll(':', '').toUpperCase());
  const iqns = body.findTexts('iSCSINames') ?? [];
  const badWwn = wwns.find((wwn) => !/^[0-9A-F]{16}$/.test(wwn));
  if (badWwn !== undefined) throw new Refusal('INV_INPUT', `${badWwn} is no WWN of 16 hex digits`, 'FCWWNs');
  const badIqn = iqns.find((iqn) => !/^(?:iqn|eui|naa)\.[A-Za-z0-9.:_-]+$/.test(iqn) || iqn.length > 223);
  if (badIqn !== undefined) throw new Refusal('ILLEGAL_CHAR', `${badIqn} is no iSCSI name`, 'iSCSINames');
  return { wwns, iqns };
}

function readDescriptors(body: Members): Record<string, string> | undefined {
  const members = body.findObject('descriptors');
  if (members === undefined) return undefined;
  const descriptors: Record<string, string> = {};
  for (const name of DESCRIPTORS) {
    const text = members.findText(name, { max: 511 });
    if (text !== undefined) descriptors[name] = text;
  }
  members.done();
  return descriptors;
}

/** Both path lists are always there, even empty (reference 3.3); one entry per port that the initiator is logged in at. */
function viewHost(array: SimulatedArray, host: Host): Record<string, unknown> {
  const portsOf = (kind: 'fc' | 'iscsi', initiator: string) =>
    array.ports.filter((port) => port.kind === kind && loggedIn(host, port).includes(initiator));
  const entries = (kind: 'fc' | 'iscsi', initiator: string, identity: object): object[] => {
    const ports = portsOf(kind, initiator);
    return ports.length === 0 ? [identity] : ports.map((port) => ({ ...identity, portPos: port.pos }));
  };
  return {
    id: host.id,
    name: host.name,
    ...(host.domain !== undefined && { domain: host.domain }),
    persona: host.persona,
    descriptors: host.descriptors,
    FCPaths: host.wwns.flatMap((wwn) => entries('fc', wwn, { wwn, hostSpeed: 0 })),
    iSCSIPaths: host.iqns.flatMap((iqn) => entries('iscsi', iqn, { name: iqn, IPAddr: '0.0.0.0', hostSpeed: 0 })),
    initiatorChapEnabled: host.chap !== undefined,
    ...(host.chap !== undefined && { initiatorChapName: host.chap.name }),
    targetChapEnabled: false,
    links: [],
  };
}
