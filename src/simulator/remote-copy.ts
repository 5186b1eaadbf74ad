import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { isPeriodic } from './model.js';
import type { Group, Mode, Policies } from './model.js';
import { checkConnected, checkPrimary } from './replication.js';

export interface CreateGroup {
  name: string;
  domain: string | undefined;
  targetName: string;
  mode: Mode;
  localUserCpg: string | undefined;
  localSnapCpg: string | undefined;
  remoteUserCpg: string | undefined;
  remoteSnapCpg: string | undefined;
}

/** Names longer than this do not fit the mirrored name `<name>.r<id>`: reference 4.7, 12.15. */
export const groupNameLimit = (array: SimulatedArray): number => (array.mirrorConfig ? 22 : 31);

/** reference 6.2; the peer has `<name>.r<systemId>` at once (6.4). */
export function createGroup(pair: ArrayPair, array: SimulatedArray, wanted: CreateGroup): Group {
  const peer = pair.peerOf(array);
  const mirrorName = `${wanted.name}.r${array.systemId}`;
  array.checkLicense('Remote Copy');
  if (!array.mirrorConfig) throw new Refusal('UNSUP_OP', 'groups without mirror_config are not simulated');
  checkTarget(array, wanted.targetName);
  if (array.groups.has(wanted.name)) throw new Refusal('EXISTENT_RCOPY_GROUP', `group ${wanted.name} exists already`);
  checkConnected(pair, array);
  if (peer.groups.has(mirrorName)) {
    throw new Refusal('EXISTENT_RCOPY_GROUP', `group ${mirrorName} exists already on the target`);
  }
  checkCpgs(array, wanted.domain, [wanted.localUserCpg, wanted.localSnapCpg]);
  checkCpgs(peer, undefined, [wanted.remoteUserCpg, wanted.remoteSnapCpg]);
  const group = newGroup(array.nextId(), wanted, mirrorName);
  array.groups.set(group.name, group);
  peer.groups.set(mirrorName, mirrorOf(group, peer));
  return group;
}

function newGroup(id: number, wanted: CreateGroup, remoteGroupName: string): Group {
  return {
    id,
    name: wanted.name,
    remoteGroupName,
    domain: wanted.domain,
    role: 'primary',
    roleReversed: false,
    state: 'new',
    mode: wanted.mode,
    syncPeriod: undefined,
    policies: { autoRecover: false, overPeriodAlert: false, autoFailover: false, pathManagement: false },
    localUserCpg: wanted.localUserCpg,
    localSnapCpg: wanted.localSnapCpg,
    remoteUserCpg: wanted.remoteUserCpg,
    remoteSnapCpg: wanted.remoteSnapCpg,
    members: [],
    lastSync: undefined,
    lastSyncMs: undefined,
    stoppedByOutage: false,
    takeovers: 0,
    recheckRole: false,
    takeoverDue: false,
  };
}

function mirrorOf(group: Group, peer: SimulatedArray): Group {
  return {
    ...group,
    id: peer.nextId(),
    name: group.remoteGroupName,
    remoteGroupName: group.name,
    domain: undefined,
    role: 'secondary',
    policies: { ...group.policies },
    localUserCpg: group.remoteUserCpg,
    localSnapCpg: group.remoteSnapCpg,
    remoteUserCpg: group.localUserCpg,
    remoteSnapCpg: group.localSnapCpg,
    members: [],
  };
}

export function checkTarget(array: SimulatedArray, targetName: string | undefined): void {
  if (targetName !== undefined && targetName !== array.targetName) {
    throw new Refusal('RCOPY_INV_TARGET', `there is no remote copy target ${targetName}`, 'targetName');
  }
}

function checkCpgs(array: SimulatedArray, domain: string | undefined, names: (string | undefined)[]): void {
  const cpgs = names.filter((name) => name !== undefined).map((name) => array.getCpg(name));
  const expected = domain ?? cpgs[0]?.domain;
  const stranger = cpgs.find((cpg) => cpg.domain !== expected);
  if (stranger !== undefined) {
    throw new Refusal('RCOPY_CPG_NOT_IN_SAME_DOMAIN', `CPG ${stranger.name} is not in the domain of the group`);
  }
}

export interface ModifyGroup {
  localUserCpg?: string;
  localSnapCpg?: string;
  remoteUserCpg?: string;
  remoteSnapCpg?: string;
  mode?: Mode;
  syncPeriod?: number;
  policies?: Partial<Policies>;
}

/** `PUT` without action: reference 6.2, 2.2. The mirror follows. */
export function modifyGroup(
  pair: ArrayPair,
  array: SimulatedArray,
  request: { name: string; change: ModifyGroup },
): void {
  const group = array.getGroup(request.name);
  const { policies, syncPeriod, ...shape } = request.change;
  checkPrimary(group);
  checkConnected(pair, array);
  if (Object.keys(shape).length > 0 && group.state === 'started') {
    throw new Refusal('RCOPY_GROUP_STARTED', `group ${group.name} is started`);
  }
  checkCpgs(array, group.domain, [shape.localUserCpg, shape.localSnapCpg]);
  checkCpgs(pair.peerOf(array), undefined, [shape.remoteUserCpg, shape.remoteSnapCpg]);
  const mode = shape.mode ?? group.mode;
  if (syncPeriod !== undefined && mode === 1) {
    throw new Refusal('RCOPY_GROUP_IS_NOT_PERIODIC', `group ${group.name} is not periodic`, 'syncPeriod');
  }
  checkPolicies(mode, policies ?? {});
  const twin = pair.findTwin(array, group);
  Object.assign(group, shape);
  group.syncPeriod = syncPeriod ?? group.syncPeriod;
  Object.assign(group.policies, policies);
  if (twin === undefined) return;
  Object.assign(twin, {
    mode: group.mode,
    syncPeriod: group.syncPeriod,
    policies: { ...group.policies },
    localUserCpg: group.remoteUserCpg,
    localSnapCpg: group.remoteSnapCpg,
    remoteUserCpg: group.localUserCpg,
    remoteSnapCpg: group.localSnapCpg,
  });
}

function checkPolicies(mode: Mode, policies: Partial<Policies>): void {
  // reference 6.4: the policies of Peer Persistence are for synchronous groups only.
  if (mode !== 1 && (policies.autoFailover === true || policies.pathManagement === true)) {
    throw new Refusal(
      'RCOPY_INV_POLICY_FOR_PERIODIC_GROUP',
      'autoFailover and pathManagement need a synchronous group',
    );
  }
  if (!isPeriodic(mode) && policies.overPeriodAlert === true) {
    throw new Refusal('RCOPY_INV_POLICY_FOR_SYNC_GROUP', 'overPeriodAlert needs a periodic group');
  }
}

/** On the primary, stopped, both arrays up; the volumes stay on both (reference 6.4). */
export function deleteGroup(pair: ArrayPair, array: SimulatedArray, name: string): void {
  const group = array.getGroup(name);
  if (group.state === 'started') throw new Refusal('RCOPY_GROUP_STARTED', `group ${name} is started`);
  // Without mirror_config the group goes on this array only, whatever its peer says: the way out that reference 6.4 names.
  if (array.mirrorConfig) {
    if (group.roleReversed || pair.findTwin(array, group)?.role === group.role) {
      throw new Refusal('RCOPY_GROUP_IN_FAILOVER_STATE', `group ${name} is in failover state`);
    }
    checkPrimary(group);
    checkConnected(pair, array);
    pair.peerOf(array).groups.delete(group.remoteGroupName);
  }
  array.groups.delete(name);
}
