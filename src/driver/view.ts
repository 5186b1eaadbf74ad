import type { Backend } from '../backend/backend.js';
import { findPartner, judgeObservation } from '../backend/observe.js';
import { newestOf, type PolledGroup } from '../backend/status-poll.js';
import type { NodeMount } from '../contracts/node-journal.js';
import { isOwnMount, type Attachment } from '../domain/attachment.js';
import type { Override } from '../domain/override.js';
import { roleWord, type Group, type Side } from '../domain/replication.js';
import type { Json, Operation } from '../saga/operation.js';
import { homeSide, type Growth, type Origin, type Volume } from '../domain/volume.js';
import { mountQuestion } from './plan-mount.js';

/** What the metadata say of one volume. */
export interface VolumeRecords {
  volume: Volume;
  attachment: Attachment | undefined;
  group: Group | undefined;
  /** An unfinished change, under way or waiting for an array. */
  operation: Operation | undefined;
  /** An operator's, in force. */
  override: Override | undefined;
  /** The metadata cannot be read now: this is what they said last, and the reason. */
  stale?: string;
}

/** What `docker volume inspect` and `ls` show. */
export interface VolumeView {
  name: string;
  /** Empty when it is not mounted on this node. */
  mountpoint: string;
  /** ISO 8601; absent when only this node's journal could be asked. */
  createdAt?: string;
  status: Record<string, Json>;
}

interface ViewParts {
  /** Id of this node. */
  node: string;
  records: VolumeRecords;
  mount: NodeMount | undefined;
  /** Undefined when hpe.conf has lost the backend. */
  backend: Backend | undefined;
  polled: PolledGroup | undefined;
}

/** What Docker's users see of a volume; made from records and the last poll alone. */
export function viewOf({ node, records, mount, backend, polled }: ViewParts): VolumeView {
  const { volume, attachment, group } = records;
  const live: Side = attachment?.side ?? group?.lastActive ?? homeSide(volume);
  const status: Record<string, Json> = {
    size: volume.spec.sizeGiB,
    provisioning: volume.spec.provisioning,
    compression: volume.spec.compression,
    fsType: volume.spec.fsType,
    mountConflictDelay: volume.spec.mountConflictDelay,
    backend: volume.spec.backend,
    state: volume.state,
    arrayVolume: volume.arrayName,
    wwn: volume.wwn[live] ?? null,
    cpg: volume.cpg[live] ?? null,
    snapCpg: volume.snapCpg[live] ?? null,
    ...(volume.spec.qosName === undefined ? {} : { qosName: volume.spec.qosName }),
    ...(volume.spec.flashCache === true ? { flashCache: true } : {}),
    holder: attachment === undefined ? null : holderOf(attachment),
    mounts: mount === undefined ? 0 : mount.ids.reduce((sum, each) => sum + each.count, 0),
  };
  if (volume.origin?.kind === 'snapshot') status['snapshotOf'] = snapshotOf(volume.origin);
  if (volume.origin?.kind === 'clone') status['cloneOf'] = volume.origin.of;
  if (volume.origin?.kind === 'import') status['importedFrom'] = volume.origin.formerName;
  if (volume.growth !== undefined) status['growingTo'] = volume.growth.toGiB;
  if (volume.growth?.isRefused === true) status['growthRefused'] = refusalOf(volume, volume.growth);
  if (records.operation !== undefined) status['operation'] = operationOf(records.operation);
  if (records.override !== undefined) status['override'] = overrideOf(records.override);
  if (group !== undefined) status['replication'] = replicationOf({ records, group, backend, polled });
  if (records.stale !== undefined) status['stale'] = `the metadata cannot be read now: ${records.stale}`;
  if (isLost(node, mount, records))
    status['fenced'] = `this node lost the volume to ${attachment?.nodeName ?? 'nobody'}; what uses it here is cut off`;
  return { name: volume.name, mountpoint: shownMountpoint(node, mount, records), createdAt: volume.createdAt, status };
}

/** Where the volume is on this node; empty when it is not, or not any more. */
export function shownMountpoint(
  node: string,
  mount: NodeMount | undefined,
  known: Pick<VolumeRecords, 'attachment' | 'stale'>,
): string {
  return isLost(node, mount, known) ? '' : mountpointOf(mount);
}

/** Another node took it over. Metadata that cannot be read now may have been read before this node's own Mount. */
function isLost(
  node: string,
  mount: NodeMount | undefined,
  { attachment, stale }: Pick<VolumeRecords, 'attachment' | 'stale'>,
): boolean {
  if (mount === undefined || isOwnMount(node, mount, attachment)) return false;
  return stale === undefined || (attachment?.generation ?? 0) > (mount.generation ?? Infinity);
}

/** Of peer persistence both arrays serve it; `array` is the one that was active at the mount. */
function holderOf({ nodeName: node, side: array, peer, apart, state }: Attachment): Json {
  const both = peer === undefined ? {} : { bothArrays: true };
  return { node, array, ...both, ...(apart === undefined ? {} : { copiesApart: true }), state };
}

function snapshotOf({ of, side, expiresAt, retainedUntil, schedule }: Extract<Origin, { kind: 'snapshot' }>): Json {
  return {
    volume: of,
    array: side,
    expiresAt: expiresAt ?? null,
    retainedUntil: retainedUntil ?? null,
    schedule: schedule === undefined ? null : { ...schedule },
  };
}

/** A grow that nobody repeats by himself. */
function refusalOf({ name, spec }: Volume, { toGiB, refusal }: Growth): string {
  const command = `hpe-volume-plugin resize ${name}`;
  const why = refusal === undefined ? '' : `: ${refusal}`;
  // Both copies of a replicated one may have another size.
  const leave = spec.replicationGroup === undefined ? `, ${command} ${spec.sizeGiB} leaves it as it is` : '';
  return `an array has refused ${toGiB} GiB, and it stays at ${spec.sizeGiB} GiB${why}; next: ${command} ${toGiB} tries it again${leave}`;
}

/** A change that is not finished; one that waits for an array says why. */
function operationOf({ kind, phase, node, startedAt, error }: Operation): Json {
  return { kind, phase, node, startedAt, ...(error === undefined ? {} : { error }) };
}

function overrideOf({ side, until, reason, madeBy, madeAt }: Override): Json {
  return { side, until, reason, madeBy, madeAt };
}

/** A mount without users is on its way out, and may be gone from here already. */
const mountpointOf = (mount: NodeMount | undefined): string =>
  mount !== undefined && mount.ids.length > 0 ? mount.mountpoint : '';

/** What this node's own journal proves of a volume while the metadata cannot be read. */
export function viewOfMount(mount: NodeMount, reason: string): VolumeView {
  return {
    name: mount.volume,
    mountpoint: mountpointOf(mount),
    status: {
      backend: mount.backend,
      wwn: mount.wwn,
      holder: { node: 'this node', array: mount.side, state: mount.ids.length > 0 ? 'attached' : 'detaching' },
      mounts: mount.ids.reduce((sum, each) => sum + each.count, 0),
      stale: `the metadata cannot be read now: ${reason}`,
    },
  };
}

interface ReplicationParts {
  records: VolumeRecords;
  group: Group;
  backend: Backend | undefined;
  polled: PolledGroup | undefined;
}

function replicationOf({ records, group, backend, polled }: ReplicationParts): Json {
  const { volume, attachment } = records;
  const known: Record<string, Json> = { group: group.name, remoteGroup: group.remoteName };
  if (backend?.settings.replication === undefined)
    return { ...known, problem: `hpe.conf no longer says how ${group.backend} replicates` };
  known['mode'] = backend.settings.replication.mode;
  if (polled === undefined)
    return { ...known, active: group.lastActive ?? null, age: 'the arrays have not been asked yet' };
  const { observation, ageSeconds } = polled;
  const newest = newestOf(polled);
  const side = (which: Side): Json => {
    const found = observation.groups[which];
    const array = backend.array(which).label;
    if (found === undefined) {
      const problem = observation.failures[which]?.text ?? 'unknown';
      return { array, problem, ...(ageSeconds[which] === newest ? {} : { ageSeconds: ageSeconds[which] }) };
    }
    const target = findPartner(backend, which, found);
    const member = found.members.find((each) => each.volume === volume.arrayName);
    return {
      array,
      role: roleWord(found.role, target?.roleReversed ?? false),
      state: target?.state ?? 'unknown',
      syncStatus: member?.syncStatus ?? 'not a member',
      lastSync: member?.lastSync ?? null,
    };
  };
  const verdict = judgeObservation(mountQuestion({ backend, volume, group }, records.override?.side), observation);
  return {
    ...known,
    primary: side('primary'),
    secondary: side('secondary'),
    active: verdict.side ?? null,
    ...(verdict.side === undefined ? { notProven: verdict.reason } : {}),
    ...(isStale(attachment, verdict.side)
      ? {
          problem: `writing to the stale copy: still attached ${attachment.peer === undefined ? `to ${backend.array(attachment.side).label}` : 'as before its group moved'} on node ${attachment.nodeName}`,
        }
      : {}),
    ageSeconds: newest,
  };
}

/** Rule 46: attached to the side that does not serve the group any more, or to both, of which one was left behind. */
const isStale = (attachment: Attachment | undefined, active: Side | undefined): attachment is Attachment =>
  attachment !== undefined &&
  (attachment.apart?.moved === true ||
    (attachment.peer === undefined && active !== undefined && attachment.side !== active));
