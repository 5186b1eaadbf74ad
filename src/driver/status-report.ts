import type { Backend } from '../backend/backend.js';
import type { NodeJournal } from '../contracts/node-journal.js';
import type { Apart } from '../domain/attachment.js';
import { asDriverError } from '../domain/errors.js';
import { activeSideOf, lastSyncOf, protectionOf, type GroupReport } from '../domain/group-report.js';
import type { GroupRun, Halt } from '../domain/group-run.js';
import { otherSide, type Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { Volume, VolumeOutline } from '../domain/volume.js';
import { reportGroups, type ReportParts } from './group-report.js';
import { readOutline, type Outline } from './outlines.js';

/** How long an array may take to answer before it counts as not reachable. */
const ASK_TIMEOUT_MS = 8_000;

export interface ArrayStatus {
  backend: string;
  side: Side;
  label: string;
  reachable: boolean;
  /** Why it is not. */
  problem?: string;
  name?: string;
  osVersion?: string;
  /** WSAPI sessions of everybody. */
  sessions?: number;
}

export interface GroupStatus {
  report: GroupReport;
  /** The side that is proven to serve the group. */
  active: Side | null;
  /** Of the role table. */
  row: number;
  /** Why no side is proven. */
  notProven?: string;
  protected: boolean;
  why: string;
  /** ISO 8601, of a periodic group; on the side that does not serve it. */
  lastSync?: string;
  lastSyncAgeSeconds?: number;
}

export interface VolumeStatus {
  name: string;
  sizeGiB: number;
  backend: string;
  group?: string;
  state: Volume['state'];
  /** Where it is mounted. */
  node?: string;
  side?: Side;
  /** Peer persistence: it has the paths of both arrays there. */
  bothArrays?: true;
  isHere?: boolean;
  /** Peer persistence: its two copies were seen apart since it was mounted. */
  apart?: Apart;
}

/** Everything that an operator asks first. */
export interface StatusReport {
  at: string;
  node: string;
  metadata: 'etcd' | 'embedded';
  arrays: ArrayStatus[];
  groups: GroupStatus[];
  volumes: VolumeStatus[];
  /** Failovers and failbacks that are under way, on whichever node; absent: none. */
  runs?: Pick<GroupRun, 'backend' | 'group' | 'goal' | 'by' | 'nodeName' | 'startedAt'>[];
  /** Containers that a run has stopped and nobody has started again yet; told in `leftOvers`, too. Absent: none. */
  stopped?: { group: string; nodeName: string; containers: string[] }[];
  /** Changes that are not finished. */
  operations: { volume: string; kind: string; phase: string; startedAt: string; error?: string }[];
  /** What is still to be removed somewhere. */
  leftOvers: string[];
}

export interface StatusParts extends ReportParts {
  nodeName: string;
  journal: Pick<NodeJournal, 'deferredRemovals'>;
  /** What is known of all volumes without a question; undefined: not all. */
  outline?: () => Outline | undefined;
}

/** Asks all arrays and the metadata; changes nothing (rule 40). @throws `unavailable` when the metadata cannot be read */
export async function reportStatus(parts: StatusParts, signal: AbortSignal): Promise<StatusReport> {
  const { store, backends } = parts;
  const outline = parts.outline?.() ?? (await readOutline(store, signal));
  const { volumes, attachments: users } = outline;
  const [arrays, groups, operations, late, runs, halts] = await Promise.all([
    Promise.all(backends.all().flatMap((each) => each.sides.map(async (side) => arrayStatus(each, side, signal)))),
    reportGroups(parts, outline, signal),
    store.list('operation', signal),
    store.list('late', signal),
    store.list('run', signal),
    store.list('halt', signal),
  ]);
  const owed = halts.filter((each) => each.containers.length > 0);
  const deferred = parts.journal
    .deferredRemovals()
    .map(
      (each) =>
        `export of ${each.volume} (${each.arrayName}) to ${each.host} on the ${each.side} array of backend ${each.backend}: goes when that array answers`,
    );
  return {
    at: new Date().toISOString(),
    node: parts.nodeName,
    metadata: store.kind,
    arrays,
    groups: groups.map(toGroupStatus),
    volumes: volumes.toSorted(byName).map((volume) => {
      const user = users.get(volume.name);
      const { backend, replicationGroup: group, sizeGiB } = volume.spec;
      return {
        name: volume.name,
        sizeGiB,
        backend,
        state: volume.state,
        ...(group === undefined ? {} : { group }),
        ...(user === undefined ? {} : { node: user.nodeName, side: user.side, isHere: user.node === parts.node }),
        ...(user?.peer === undefined ? {} : { bothArrays: true as const }),
        ...(user?.apart === undefined ? {} : { apart: user.apart }),
      };
    }),
    operations: operations.map(({ volume, kind, phase, startedAt, error }) => ({
      volume,
      kind,
      phase,
      startedAt,
      ...(error === undefined ? {} : { error }),
    })),
    ...(runs.length === 0 ? {} : { runs: runs.map(describeRun) }),
    ...(owed.length === 0 ? {} : { stopped: owed.map(toStopped) }),
    leftOvers: [
      ...owed.map(describeHalt),
      ...deferred,
      ...late.map(
        (each) => `undone ${each.kind} of ${each.volume}: an array may carry it out late, and it is looked for`,
      ),
    ],
  };
}

const byName = (one: VolumeOutline, other: VolumeOutline): number => (one.name < other.name ? -1 : 1);

const describeRun = ({ backend, group, goal, by, nodeName, startedAt }: GroupRun) => ({
  backend,
  group,
  goal,
  by,
  nodeName,
  startedAt,
});

const toStopped = ({ group, nodeName, containers }: Halt) => ({
  group,
  nodeName,
  containers: containers.map((each) => each.name),
});

const describeHalt = ({ group, nodeName, containers }: Halt): string =>
  `stopped on node ${nodeName} to move group ${group}, and not started again: ${containers.map((each) => each.name).join(', ')}; the end of the failover or failback run does that`;

async function arrayStatus(backend: Backend, side: Side, signal: AbortSignal): Promise<ArrayStatus> {
  const array = backend.array(side);
  const known = { backend: backend.name, side, label: array.label };
  const bounded = within(ASK_TIMEOUT_MS, signal);
  try {
    const [{ osVersion }, { name }, sessions] = await Promise.all([
      array.features(bounded),
      array.identity(bounded),
      array.sessionsInUse(bounded),
    ]);
    return { ...known, reachable: true, name, osVersion, ...(sessions === undefined ? {} : { sessions }) };
  } catch (thrown) {
    signal.throwIfAborted();
    return { ...known, reachable: false, problem: asDriverError(thrown).toUserText() };
  }
}

function toGroupStatus(report: GroupReport): GroupStatus {
  const active = activeSideOf(report);
  const { isProtected, why } = protectionOf(report);
  const lastSync = active.side === undefined ? undefined : lastSyncOf(report.sides[otherSide(active.side)]);
  return {
    report,
    active: active.side ?? null,
    row: active.row,
    ...(active.side === undefined ? { notProven: active.reason } : {}),
    protected: isProtected,
    why,
    ...(lastSync === undefined
      ? {}
      : { lastSync, lastSyncAgeSeconds: Math.round((Date.parse(report.at) - Date.parse(lastSync)) / 1000) }),
  };
}
