import { Refusal } from './codes.js';
import { admitVolume, dismissVolume } from './membership.js';
import type { Mode, Policies } from './model.js';
import { checkTarget, createGroup, groupNameLimit, modifyGroup } from './remote-copy.js';
import type { ModifyGroup } from './remote-copy.js';
import { startGroup, stopGroup, synchronise } from './replication.js';
import { NAME } from './wsapi-body.js';
import type { Members } from './wsapi-body.js';
import { created, membersOf, OK, param } from './wsapi-route.js';
import type { Reply, WsapiRequest } from './wsapi-route.js';

/** reference 6.2: sync, periodic (both numbers), streaming. */
const MODES: readonly Mode[] = [1, 2, 3, 4];

export function postGroup(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const name = body.getText('name', { ...NAME, max: groupNameLimit(request.array) });
  const targets = body.findObjects('targets') ?? [];
  const shape = {
    domain: body.findText('domain', NAME),
    localUserCpg: body.findText('localUserCPG', NAME),
    localSnapCpg: body.findText('localSnapCPG', NAME),
  };
  body.done();
  const [target, second] = targets;
  if (target === undefined) throw new Refusal('MISSING_REQUIRED', 'targets is required', 'targets');
  const peer = {
    targetName: target.getText('targetName', NAME),
    mode: target.getEnum('mode', MODES),
    remoteUserCpg: target.findText('userCPG', NAME),
    remoteSnapCpg: target.findText('snapCPG', NAME),
  };
  target.done();
  if (second !== undefined) {
    if (second.getText('targetName') === peer.targetName) {
      throw new Refusal('RCOPY_TARGET_NOT_UNIQUE', `target ${peer.targetName} is given twice`, 'targets');
    }
    throw new Refusal('RCOPY_TOO_MANY_TARGETS', 'the system has one target', 'targets');
  }
  createGroup(request.pair, request.array, { name, ...shape, ...peer });
  return created(`/remotecopygroups/${name}`);
}

type Action = (request: WsapiRequest, body: Members) => void | Promise<void>;

/** reference 6.2 */
const ACTIONS: Record<1 | 2 | 3 | 4 | 5, Action> = { 1: admit, 2: dismiss, 3: start, 4: stop, 5: synchroniseNow };

/** `PUT`: an action, or without one a modification. */
export async function putGroup(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  const action = body.findEnum('action', [1, 2, 3, 4, 5]);
  if (action === undefined) modify(request, body);
  else await ACTIONS[action](request, body);
  return OK;
}

function modify(request: WsapiRequest, body: Members): void {
  modifyGroup(request.pair, request.array, { name: param(request, 'group'), change: readChange(request, body) });
}

async function dismiss(request: WsapiRequest, body: Members): Promise<void> {
  const volume = body.getText('volumeName', NAME);
  const { removeSecondary } = dismissOptions(body);
  await dismissVolume(request.pair, request.array, { group: param(request, 'group'), volume, removeSecondary });
}

async function start(request: WsapiRequest, body: Members): Promise<void> {
  const skipInitialSync = body.flag('skipInitialSync');
  refuseSnapshots(body, 'startingSnapshots');
  readTargetName(request, body);
  body.done();
  await startGroup(request.pair, request.array, { name: param(request, 'group'), skipInitialSync });
}

async function stop(request: WsapiRequest, body: Members): Promise<void> {
  body.findFlag('noSnapshot');
  readTargetName(request, body);
  body.done();
  await stopGroup(request.pair, request.array, param(request, 'group'));
}

async function synchroniseNow(request: WsapiRequest, body: Members): Promise<void> {
  body.findFlag('noResyncSnapshot');
  body.findFlag('fullSync');
  readTargetName(request, body);
  body.done();
  await synchronise(request.pair, request.array, param(request, 'group'));
}

/** `POST /remotecopygroups/<g>/volumes`: the same body, action or not. */
export async function admitByBody(request: WsapiRequest): Promise<Reply> {
  const body = membersOf(request);
  body.findEnum('action', [1]);
  await admit(request, body);
  return OK;
}

async function admit(request: WsapiRequest, body: Members): Promise<void> {
  const volume = body.getText('volumeName', NAME);
  const [target, second] = body.findObjects('targets') ?? [];
  if (target === undefined) throw new Refusal('MISSING_REQUIRED', 'targets is required', 'targets');
  if (second !== undefined) throw new Refusal('RCOPY_TOO_MANY_TARGETS', 'the system has one target', 'targets');
  const targetName = target.getText('targetName', NAME);
  const secondaryVolume = target.getText('secVolumeName', NAME);
  target.done();
  const flags = {
    volumeAutoCreation: body.flag('volumeAutoCreation'),
    differentSecondaryWwn: body.flag('differentSecondaryWWN'),
    skipInitialSync: body.flag('skipInitialSync'),
  };
  refuseSnapshots(body, 'snapshotName');
  body.done();
  const group = param(request, 'group');
  request.array.getGroup(group);
  checkTarget(request.array, targetName);
  await admitVolume(request.pair, request.array, { group, volume, secondaryVolume, ...flags });
}

/** Options of every form of dismissal (reference 6.2, 12.7). */
export function dismissOptions(body: Members): { removeSecondary: boolean } {
  body.findFlag('keepSnap');
  const removeSecondary = body.flag('removeSecondaryVolume');
  body.done();
  return { removeSecondary };
}

function readChange(request: WsapiRequest, body: Members): ModifyGroup {
  const [target, second] = body.findObjects('targets') ?? [];
  if (second !== undefined) throw new Refusal('RCOPY_TARGET_NOT_UNIQUE', 'the system has one target', 'targets');
  const local = {
    localUserCpg: body.findText('localUserCPG', NAME),
    localSnapCpg: body.findText('localSnapCPG', NAME),
  };
  body.done();
  const change: ModifyGroup = {};
  if (local.localUserCpg !== undefined) change.localUserCpg = local.localUserCpg;
  if (local.localSnapCpg !== undefined) change.localSnapCpg = local.localSnapCpg;
  if (target !== undefined) readTargetChange(request, target, change);
  return change;
}

function readTargetChange(request: WsapiRequest, target: Members, change: ModifyGroup): void {
  checkTarget(request.array, target.getText('targetName', NAME));
  const remoteUserCpg = target.findText('remoteUserCPG', NAME);
  const remoteSnapCpg = target.findText('remoteSnapCPG', NAME);
  const mode = target.findEnum('mode', MODES);
  // reference 6.2: 300 s to 366 days.
  const syncPeriod = target.findInteger('syncPeriod', { min: 300, max: 31_622_400 });
  const policies = target.findObject('policies');
  target.done();
  if (policies !== undefined && syncPeriod !== undefined) {
    throw new Refusal('PARAM_CONFLICT', 'policies and syncPeriod cannot both be given', 'policies');
  }
  if (remoteUserCpg !== undefined) change.remoteUserCpg = remoteUserCpg;
  if (remoteSnapCpg !== undefined) change.remoteSnapCpg = remoteSnapCpg;
  if (mode !== undefined) change.mode = mode;
  if (syncPeriod !== undefined) change.syncPeriod = syncPeriod;
  if (policies !== undefined) change.policies = readPolicies(policies);
}

function readPolicies(members: Members): Partial<Policies> {
  const policies: Partial<Policies> = {};
  for (const name of ['autoRecover', 'overPeriodAlert', 'autoFailover', 'pathManagement'] as const) {
    const flag = members.findFlag(name);
    if (flag !== undefined) policies[name] = flag;
  }
  members.done();
  return policies;
}

/** The optional `targetName` of an action. */
export function readTargetName(request: WsapiRequest, body: Members): void {
  checkTarget(request.array, body.findText('targetName', NAME));
}

function refuseSnapshots(body: Members, name: string): void {
  if (body.has(name)) throw new Refusal('UNSUP_OP', 'snapshots are not simulated yet', name);
}
