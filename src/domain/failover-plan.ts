import { describeApart } from './attachment.js';
import type { GroupReport, GroupVolume } from './group-report.js';
import { lastSyncOf, SIDES } from './group-report.js';
import { otherSide, type Side, type SyncStatus } from './replication.js';

export type Goal = 'failover' | 'failback';

/** What is typed on an array. */
export type ArrayAction = 'sync' | 'stop' | 'failover' | 'recover' | 'restore' | 'switchover';

/** One thing to do; whoever does it looks at everything again before the next one. */
export type Step =
  | { kind: 'stop-containers'; nodeName: string; isHere: boolean; volumes: string[] }
  | { kind: 'wait-released'; volumes: string[] }
  | {
      kind: 'array';
      action: ArrayAction;
      side: Side;
      array: string;
      /** As that array calls it. */
      group: string;
      command: string;
      /** What it makes irrecoverable; absent: nothing. */
      destroys?: string;
    }
  | { kind: 'wait-synced' }
  | { kind: 'start-containers' }
  | { kind: 'verify'; side: Side };

/** What of the acknowledged writes will not be on the copy that is used afterwards. */
export type Loss =
  | { kind: 'none'; why: string }
  /** A periodic group: what was written after that moment (ISO 8601). */
  | { kind: 'since'; at: string; ageSeconds: number; why: string }
  | { kind: 'unknown'; why: string };

export interface FailoverPlan {
  goal: Goal;
  /**
   * `done`: the arrays are where they are to be, only containers may be missing. `unsafe`: it can be done, and loses data or may.
   * `impossible`: the arrays would refuse it, or nobody can say what it would do.
   */
  verdict: 'ready' | 'done' | 'unsafe' | 'impossible';
  /** Of the role table. */
  row: number;
  /** Where the group is served from afterwards; absent when that is not known. */
  to?: Side;
  why: string;
  loss: Loss;
  /** True things that an operator wants to know before. */
  cautions: string[];
  steps: Step[];
  /** What to do instead, or first. */
  next?: string;
}

/** What an earlier part of the same run has seen to, so that it need not be done, or feared, again. */
export interface RunMemory {
  /** All members were synced while nothing used them: the generations of the volumes then. */
  synced?: Record<string, number>;
}

/** The generations of the volumes; they stay as they are while nobody mounts one. */
export const generationsOf = ({ volumes }: GroupReport): Record<string, number> =>
  Object.fromEntries(volumes.map((each) => [each.name, each.generation]));

/** Whether the run has seen all synced, and nothing was mounted since. A node whose daemon is away is told about, and not waited for. */
export function isUntouchedSince(report: GroupReport, { synced }: RunMemory): boolean {
  if (synced === undefined || report.volumes.some((each) => each.use?.isAlive === true)) return false;
  return report.volumes.every((each) => synced[each.name] === each.generation);
}

const COMMANDS: Record<ArrayAction, string> = {
  sync: 'syncrcopy -w',
  stop: 'stoprcopygroup -f',
  failover: 'setrcopygroup failover -f',
  recover: 'setrcopygroup recover -f',
  restore: 'setrcopygroup restore -f',
  switchover: 'setrcopygroup switchover -f',
};

/** The command with the names of the array that it is typed on. */
export function arrayStep(
  report: GroupReport,
  side: Side,
  { action, destroys }: { action: ArrayAction; destroys?: string },
): Step {
  const { array, group } = report.sides[side];
  const command = `${COMMANDS[action]} ${group}`;
  return { kind: 'array', action, side, array, group, command, ...(destroys === undefined ? {} : { destroys }) };
}

/** A streaming group acknowledges a write before it is sent, and says `synced` meanwhile: nothing shows when the last one has arrived. */
export const UNSENT: Loss = {
  kind: 'unknown',
  why: 'the last seconds before the stop: a streaming group sends what it has acknowledged later, and no array says that a stop delivers it',
};

/** The containers that use those volumes, by node, and the wait until none of them does; nothing when none is used. */
export function releaseSteps(volumes: GroupVolume[]): Step[] {
  const used = volumes.filter((each) => each.use !== undefined);
  if (used.length === 0) return [];
  const nodes = new Map<string, { nodeName: string; isHere: boolean; volumes: string[] }>();
  for (const { name, use } of used) {
    if (use === undefined) continue;
    const { nodeName, isHere } = use;
    const node = nodes.get(use.node) ?? { nodeName, isHere, volumes: [] };
    node.volumes.push(name);
    nodes.set(use.node, node);
  }
  // A node whose daemon is away lets go of nothing; it is told as a caution, and not waited for.
  const alive = used.filter((each) => each.use?.isAlive === true).map((each) => each.name);
  return [
    ...[...nodes.values()].map((node): Step => ({ kind: 'stop-containers', ...node })),
    ...(alive.length === 0 ? [] : [{ kind: 'wait-released' as const, volumes: alive }]),
  ];
}

/** Containers back on, and the proof. */
export const finishSteps = (side: Side): Step[] => [{ kind: 'start-containers' }, { kind: 'verify', side }];

/** What a periodic group loses when the copy on that side is used as it is. */
export function lossSinceSync(report: GroupReport, side: Side): Loss {
  const at = lastSyncOf(report.sides[side]);
  if (at === undefined) return { kind: 'unknown', why: 'a volume of the group has no completed sync' };
  const ageSeconds = Math.max(0, Math.round((Date.parse(report.at) - Date.parse(at)) / 1000));
  return { kind: 'since', at, ageSeconds, why: 'the copy is that of the last completed sync' };
}

export function cautionsOf(report: GroupReport): string[] {
  const lines = report.volumes.flatMap(({ name, use }) =>
    use === undefined || use.isAlive
      ? []
      : [
          `the plugin does not run on node ${use.nodeName}, which has ${name} mounted: make sure that the host is off, or stop its containers there`,
        ],
  );
  for (const { name, use } of report.volumes) {
    const apart = describeApart(use?.apart);
    if (use !== undefined && apart !== undefined)
      lines.push(`${name} on node ${use.nodeName}: ${apart}; see what is missing there before anything overwrites it`);
  }
  if (report.strangers.length > 0)
    lines.push(`the group also moves volumes that are not the plugin's: ${report.strangers.join(', ')}`);
  return lines;
}

/** An array that does not answer, in the words of its failure. */
export function remedyOf(report: GroupReport): string {
  const silent = SIDES.find((side) => report.sides[side].view.answer === 'silent');
  if (silent === undefined) return 'see "showrcopy groups" on both arrays';
  return report.sides[silent].remedy ?? `bring the ${silent} array back`;
}

/** A plan before what all plans have in common is added. */
export type Draft = Pick<FailoverPlan, 'verdict' | 'why' | 'loss'> &
  Partial<Pick<FailoverPlan, 'to' | 'next' | 'cautions' | 'steps'>>;

export const NO_LOSS: Loss = { kind: 'none', why: 'nothing is done' };

export const impossible = (why: string, next: string): Draft => ({ verdict: 'impossible', why, loss: NO_LOSS, next });

const COMPLETE: readonly SyncStatus[] = ['synced', 'not-synced'];

/** Members whose copy on that side was not whole when replication ended. */
export const lagsOf = (report: GroupReport, side: Side): string[] =>
  report.sides[side].members
    .filter((member) => !COMPLETE.includes(member.syncStatus))
    .map((member) => `${nameOf(report, member.volume)} is ${member.syncStatus}`);

const nameOf = (report: GroupReport, arrayName: string): string =>
  report.volumes.find((each) => each.arrayName === arrayName)?.name ?? arrayName;

/** What the copy on that side lacks if it is used as it is. */
export function lossWithout(report: GroupReport, side: Side): Loss {
  const lags = lagsOf(report, side);
  if (lags.length > 0)
    return { kind: 'unknown', why: `the copy was not complete when replication ended: ${lags.join(', ')}` };
  if (report.mode === 'asynchronous') return lossSinceSync(report, side);
  return {
    kind: 'unknown',
    why: 'everything that was written since the group was stopped; no array says when that was',
  };
}

/** Peer persistence, started: the roles change under I/O; only what is not mounted from both arrays has to be stopped for it. */
export function switchoverFrom(report: GroupReport, from: Side): Draft {
  const to = otherSide(from);
  const isLagging = SIDES.some((side) => {
    const { view } = report.sides[side];
    return view.answer === 'group' && view.lagging.length > 0;
  });
  const inTheWay = report.volumes.filter(
    (each) => each.use !== undefined && each.use.isOnBoth !== true && each.use.side !== to,
  );
  const wait: Step[] = isLagging ? [{ kind: 'wait-synced' }] : [];
  return {
    verdict: 'ready',
    to,
    why: 'both arrays have every write, and the roles change under I/O (peer persistence)',
    loss: { kind: 'none', why: 'both arrays have every write' },
    steps: [...wait, ...releaseSteps(inTheWay), arrayStep(report, from, { action: 'switchover' }), ...finishSteps(to)],
  };
}
