import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { dismissVolume } from './membership.js';
import { deleteGroup } from './remote-copy.js';
import { formatPos } from './vluns.js';
import { admitByBody, dismissOptions, postGroup, putGroup } from './wsapi-group-change.js';
import { postRecoveryAction } from './wsapi-recovery.js';
import { collection, membersOf, OK, param, queryFlag } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';
import { viewGroup, viewMember, viewTarget } from './wsapi-views.js';

/** reference 6.1, 6.2 */
export const REMOTE_COPY_ROUTES: Route[] = [
  {
    method: 'GET',
    path: '/remotecopy',
    handle: (request) => ({
      status: 200,
      body: { mode: 2, status: 1, asyncEnabled: false, links: viewLinks(request) },
    }),
  },
  { method: 'GET', path: '/remotecopytargets', handle: ({ pair, array }) => collection([viewPartner(pair, array)]) },
  { method: 'GET', path: '/remotecopytargets/:target', handle: getTarget },
  { method: 'PUT', path: '/remotecopytargets/:target', handle: putTarget },
  { method: 'GET', path: '/remotecopylinks', handle: (request) => collection(viewLinks(request)) },
  { method: 'GET', path: '/remotecopylinks/:name', handle: getLink },
  {
    method: 'GET',
    path: '/remotecopygroups',
    handle: ({ array }) => collection([...array.groups.values()].map((group) => viewGroup(array, group))),
  },
  { method: 'POST', path: '/remotecopygroups', handle: postGroup },
  {
    method: 'GET',
    path: '/remotecopygroups/:group',
    handle: (request) => ({ status: 200, body: viewGroup(request.array, groupOf(request)) }),
  },
  { method: 'PUT', path: '/remotecopygroups/:group', handle: putGroup },
  { method: 'POST', path: '/remotecopygroups/:group', handle: postRecoveryAction },
  {
    method: 'DELETE',
    path: '/remotecopygroups/:group',
    query: ['keepSnap'],
    handle: (request) => {
      queryFlag(request, 'keepSnap');
      deleteGroup(request.pair, request.array, param(request, 'group'));
      return OK;
    },
  },
  {
    method: 'GET',
    path: '/remotecopygroups/:group/targets',
    handle: (request) => collection([viewTarget(request.array, groupOf(request))]),
  },
  {
    method: 'GET',
    path: '/remotecopygroups/:group/targets/:target',
    handle: (request) => {
      const group = groupOf(request);
      getPartnerName(request);
      return { status: 200, body: viewTarget(request.array, group) };
    },
  },
  {
    method: 'GET',
    path: '/remotecopygroups/:group/volumes',
    handle: (request) => collection(groupOf(request).members.map((member) => viewMember(request.array, member))),
  },
  { method: 'GET', path: '/remotecopygroups/:group/volumes/:volume', handle: getGroupVolume },
  { method: 'POST', path: '/remotecopygroups/:group/volumes', handle: admitByBody },
  {
    method: 'DELETE',
    path: '/remotecopygroups/:group/volumes/:volume',
    query: ['removeSecondaryVolume', 'keepSnap'],
    handle: deleteGroupVolume,
  },
];

const groupOf = (request: WsapiRequest) => request.array.getGroup(param(request, 'group'));

function getGroupVolume(request: WsapiRequest): Reply {
  const name = param(request, 'volume');
  const member = groupOf(request).members.find((each) => each.local.name === name);
  if (member === undefined) throw new Refusal('RCOPY_VOL_NOT_IN_GROUP', `volume ${name} is not in the group`);
  return { status: 200, body: viewMember(request.array, member) };
}

/** Removal of the secondary in the query or in the body: both are accepted (reference 12.7). */
async function deleteGroupVolume(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  body.ignore('action', 'volumeName');
  const inBody = dismissOptions(body);
  queryFlag(request, 'keepSnap');
  await dismissVolume(request.pair, request.array, {
    group: param(request, 'group'),
    volume: param(request, 'volume'),
    removeSecondary: queryFlag(request, 'removeSecondaryVolume') || inBody.removeSecondary,
  });
  return OK;
}

function getPartnerName(request: WsapiRequest): string {
  const name = param(request, 'target');
  if (name !== request.array.targetName) {
    throw new Refusal('RCOPY_NON_EXISTENT_TARGET', `remote copy target ${name} does not exist`);
  }
  return name;
}

function getTarget(request: WsapiRequest): Reply {
  getPartnerName(request);
  return { status: 200, body: viewPartner(request.pair, request.array) };
}

/** reference 6.1: `status` 3 is ready, 4 (failed) is this simulator's choice for a target that does not answer. */
function viewPartner(pair: ArrayPair, array: SimulatedArray): object {
  return {
    name: array.targetName,
    id: 1,
    type: 1,
    status: pair.connected ? 3 : 4,
    policies: { mirrorConfig: array.mirrorConfig },
    ...(pair.witness !== undefined && { quorumIpAddress: pair.witness }),
    remoteId: pair.peerOf(array).systemId,
  };
}

function putTarget(request: WsapiRequest): Reply {
  getPartnerName(request);
  const body = membersOf(request);
  const policies = body.findObject('policies');
  const mirrorConfig = policies?.findFlag('mirrorConfig');
  policies?.done();
  body.done();
  request.array.mirrorConfig = mirrorConfig ?? request.array.mirrorConfig;
  return OK;
}

/** reference 6.1: one per port, `<target>_<N>_<S>_<P>`; `status` 1 up, 2 down is this simulator's choice. */
function viewLinks({ pair, array }: WsapiRequest) {
  const peerPorts = pair.peerOf(array).ports.filter((port) => port.kind === 'rcip');
  return array.ports
    .filter((port) => port.kind === 'rcip')
    .map((port, index) => ({
      name: `${array.targetName}_${formatPos(port.pos).replaceAll(':', '_')}`,
      targetName: array.targetName,
      portPos: port.pos,
      address: peerPorts[index]?.ip,
      status: pair.connected && port.ready ? 1 : 2,
    }));
}

function getLink(request: WsapiRequest): Reply {
  const name = param(request, 'name');
  const link = viewLinks(request).find((each) => each.name === name);
  if (link === undefined) throw new Refusal('RCOPY_NON_EXISTENT_TARGET', `remote copy link ${name} does not exist`);
  return { status: 200, body: link };
}
