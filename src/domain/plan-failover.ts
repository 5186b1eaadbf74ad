import type { SideView } from './active-side.js';
import {
  arrayStep,
  cautionsOf,
  finishSteps,
  impossible,
  isUntouchedSince,
  lossWithout,
  releaseSteps,
  switchoverFrom,
  remedyOf,
  type Draft,
  type FailoverPlan,
  type Loss,
  type RunMemory,
  type Step,
  UNSENT,
} from './failover-plan.js';
import { toSurvivor } from './plan-survivor.js';
import { activeSideOf, usedElsewhere, type GroupReport } from './group-report.js';
import { otherSide, type Side } from './replication.js';

type GroupView = Extract<SideView, { answer: 'group' }>;

/** How the group is moved to the array that does not serve it now, from what was seen; row by row of the role table. */
export function planFailover(report: GroupReport, memory: RunMemory = {}): FailoverPlan {
  const active = activeSideOf(report);
  const draft = draftOf(report, { active, memory });
  const { cautions = [], steps = [], ...rest } = draft;
  return { goal: 'failover', row: active.row, ...rest, cautions: [...cautions, ...cautionsOf(report)], steps };
}

function draftOf(
  report: GroupReport,
  { active, memory }: { active: ReturnType<typeof activeSideOf>; memory: RunMemory },
): Draft {
  switch (active.row) {
    case 1:
      if (active.side === undefined) {
        return impossible(`${active.reason}: an earlier failback is not finished`, 'finish it first: failback plan');
      }
      return fromNatural(report, active.side, memory);
    case 2:
    case 3:
    case 4:
      return alreadyThere(report, active.side);
    case 5:
    case 6:
    case 7:
    case 8:
      return impossible(
        `the array that holds the passive copy does not answer, so there is nothing to fail over to`,
        remedyOf(report),
      );
    case 9:
      return toSurvivor(report, memory);
    case 10:
      return impossible('neither array answers', remedyOf(report));
    default:
      return impossible(
        active.side === undefined ? active.reason : 'the roles are not understood',
        `compare "showrcopy groups ${report.sides.primary.group}" and "showrcopy groups ${report.sides.secondary.group}" on the two arrays`,
      );
  }
}

/** Rows 2 to 4: what still uses the stale copy has to let go of it. */
function alreadyThere(report: GroupReport, to: Side | undefined): Draft {
  if (to === undefined) return impossible('the roles are not understood', remedyOf(report));
  const stale = usedElsewhere(report, to);
  const loss: Loss =
    stale.length === 0
      ? { kind: 'none', why: 'the failover is done' }
      : { kind: 'unknown', why: `${stale.map((each) => each.name).join(', ')} still used on the stale copy` };
  return {
    verdict: 'done',
    to,
    why: `the group is failed over already: the ${to} array serves it`,
    loss,
    steps: [...releaseSteps(stale), ...finishSteps(to)],
  };
}

/** Row 1: both arrays answer, and the active one may be asked to hand over. */
function fromNatural(report: GroupReport, from: Side, memory: RunMemory): Draft {
  const to = otherSide(from);
  const view = report.sides[from].view;
  if (view.answer !== 'group') return impossible('the active array does not show the group', remedyOf(report));
  if (report.hasSwitchover === true && view.state === 'started') return switchoverFrom(report, from);
  const handOver = [arrayStep(report, to, { action: 'failover' }), ...finishSteps(to)];
  const release = releaseSteps(report.volumes.filter((each) => each.use?.side !== to || each.use.isOnBoth === true));
  if (view.state === 'started')
    return heedingTheAway(
      report,
      to,
      heedingTheStream(report, fromStarted(report, { from, view, release, handOver, memory })),
    );
  const startFirst = `on the ${from} array: startrcopygroup ${report.sides[from].group}; wait until every volume is Synced, and plan again`;
  if (view.state !== 'stopped') return impossible(`the group is ${view.state}`, startFirst);
  if (isUntouchedSince(report, memory)) {
    const loss: Loss = { kind: 'none', why: 'all was synced before the stop, and nothing was mounted since' };
    const why = 'the group was stopped for this failover';
    return heedingTheAway(report, to, heedingTheStream(report, { verdict: 'ready', to, why, loss, steps: handOver }));
  }
  return {
    verdict: 'unsafe',
    to,
    why: `the group is stopped, and the ${from} array went on alone`,
    loss: lossWithout(report, to),
    steps: [...release, ...handOver],
    next: startFirst,
  };
}

function heedingTheStream({ mode }: GroupReport, draft: Draft): Draft {
  if (mode !== 'streaming') return draft;
  return {
    ...draft,
    verdict: 'unsafe',
    why: `${draft.why}; but it is a streaming group, and nobody can see whether its last writes have arrived`,
    loss: UNSENT,
    next: 'stop the containers, see "showrcopy" until nothing is sent any more, and compare a drill with what they wrote last',
  };
}

/** The array that is left lives, so containers that nobody can see go on writing to it, and are answered. */
function heedingTheAway(report: GroupReport, to: Side, draft: Draft): Draft {
  const away = report.volumes.flatMap(({ name, use }) =>
    use?.isAlive === false && (use.side !== to || use.isOnBoth === true) ? [`${name} on node ${use.nodeName}`] : [],
  );
  if (away.length === 0) return draft;
  const names = away.join(', ');
  return {
    ...draft,
    verdict: 'unsafe',
    why: `the plugin does not run there, so nobody can say whether this is still written to: ${names}`,
    loss: { kind: 'unknown', why: `what is written after the stop to ${names}` },
    next: 'start the plugin there and stop the containers, or make sure that the host is off; then plan again',
  };
}

function fromStarted(
  report: GroupReport,
  parts: { from: Side; view: GroupView; release: Step[]; handOver: Step[]; memory: RunMemory },
): Draft {
  const { from, view, release, handOver, memory } = parts;
  const isPeriodic = report.mode === 'asynchronous';
  const lastCopy: Step[] =
    isPeriodic && !isUntouchedSince(report, memory)
      ? [arrayStep(report, from, { action: 'sync' }), { kind: 'wait-synced' }]
      : [];
  const isLagging = [view, report.sides[otherSide(from)].view].some(
    (each) => each.answer === 'group' && each.lagging.length > 0,
  );
  const wait: Step[] = isLagging ? [{ kind: 'wait-synced' }] : [];
  // A periodic group is synced last when nobody writes any more, by a sync that began after that: one that runs already may lack the
  // last writes. A synchronous one has to be whole before anybody is stopped.
  const order = isPeriodic ? [...release, ...wait, ...lastCopy] : [...wait, ...release];
  return {
    verdict: 'ready',
    to: otherSide(from),
    why: isLagging
      ? 'the group is started; it is waited for until every volume is synced'
      : 'the group is started, and every volume is synced',
    loss: {
      kind: 'none',
      why: isPeriodic ? 'one more sync runs when the containers have stopped' : 'both arrays have every write',
    },
    steps: [...order, arrayStep(report, from, { action: 'stop' }), ...handOver],
  };
}
