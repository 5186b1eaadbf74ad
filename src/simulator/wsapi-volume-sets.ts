import { Refusal } from './codes.js';
import type { VolumeSet } from './model.js';
import { addToSet, createVolumeSet, deleteVolumeSet, modifyVolumeSet, removeFromSet } from './volume-sets.js';
import { COMMENT, NAME } from './wsapi-body.js';
import type { Members } from './wsapi-body.js';
import { collection, created, membersOf, OK, param } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';

/** reference 4.7 */
const SET_NAME = { ...NAME, max: 27 };
const POLICY = { enable: 1, disable: 2 } as const;

/** reference 4.6 */
export const VOLUME_SET_ROUTES: Route[] = [
  {
    method: 'GET',
    path: '/volumesets',
    handle: ({ array }) => collection([...array.volumeSets.values()].map(viewVolumeSet)),
  },
  { method: 'POST', path: '/volumesets', handle: postVolumeSet },
  {
    method: 'GET',
    path: '/volumesets/:name',
    handle: (request) => ({
      status: 200,
      body: viewVolumeSet(request.array.getVolumeSet(param(request, 'name'))),
    }),
  },
  { method: 'PUT', path: '/volumesets/:name', handle: putVolumeSet },
  {
    method: 'DELETE',
    path: '/volumesets/:name',
    handle: (request) => {
      deleteVolumeSet(request.array, param(request, 'name'));
      return OK;
    },
  },
];

function postVolumeSet(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const wanted = {
    name: body.getText('name', SET_NAME),
    domain: body.findText('domain', NAME),
    comment: body.findText('comment', COMMENT) ?? '',
    members: body.findTexts('setmembers') ?? [],
  };
  body.done();
  createVolumeSet(request.array, wanted);
  return created(`/volumesets/${wanted.name}`);
}

function putVolumeSet(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const name = param(request, 'name');
  const action = body.findEnum('action', [1, 2, 3, 4, 5, 6]);
  if (action === undefined) return modify(request, body);
  if (action > 2) throw new Refusal('UNSUP_OP', `action ${action} on volume sets is not simulated`, 'action');
  const members = body.findTexts('setmembers');
  body.done();
  if (members === undefined) throw new Refusal('MISSING_REQUIRED', 'setmembers is required', 'setmembers');
  if (action === 1) addToSet(request.array, name, members);
  else removeFromSet(request.array, name, members);
  return OK;
}

function modify(request: WsapiRequest, body: Members): Reply {
  const change = { newName: body.findText('newName', SET_NAME), comment: body.findText('comment', COMMENT) };
  const policy = body.findEnum('flashCachePolicy', [POLICY.enable, POLICY.disable]);
  body.done();
  const flashCache = policy === undefined ? undefined : policy === POLICY.enable;
  const set = modifyVolumeSet(request.array, param(request, 'name'), { ...change, flashCache });
  return { status: 200, location: `/volumesets/${set.name}` };
}

function viewVolumeSet(set: VolumeSet): object {
  return {
    id: set.id,
    uuid: set.uuid,
    name: set.name,
    ...(set.domain !== undefined && { domain: set.domain }),
    ...(set.comment !== '' && { comment: set.comment }),
    setmembers: set.members.map((volume) => volume.name),
    count: set.members.length,
    qosEnabled: set.qos?.enabled ?? false,
    flashCachePolicy: set.flashCache ? POLICY.enable : POLICY.disable,
  };
}
