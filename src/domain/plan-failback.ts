import {
  arrayStep,
  cautionsOf,
  finishSteps,
  impossible,
  releaseSteps,
  switchoverFrom,
  remedyOf,
  type Draft,
  type FailoverPlan,
  type Loss,
  type Step,
} from './failover-plan.js';
import { activeSideOf, usedElsewhere, type GroupReport, type GroupVolume } from './group-report.js';
import { otherSide, type Side } from './replication.js';

const ALL_KEPT: Loss = { kind: 'none', why: 'the array that serves the group now has every write, and is copied back' };

/** How a group that was failed over comes home; row by row of the role table. */
export function planFailback(report: GroupReport): FailoverPlan {
  const { steps = [], ...rest } = draftOf(report);
  return { goal: 'failback', row: activeSideOf(report).row, ...rest, cautions: cautionsOf(report), steps };
}

function draftOf(report: GroupReport): Draft {
  const active = activeSideOf(report);
  switch (active.row) {
    case 1:
      return atHome(report);
    case 2:
    case 3:
      return active.side === undefined
        ? impossible('the roles are not understood', remedyOf(report))
        : fromFailedOver(report, active.side);
    case 4:
      return impossible('the array that the group is to come home to does not answer', remedyOf(report));
    case 10:
      return impossible('neither array answers', remedyOf(report));
    case 11:
    case 12:
      return impossible(
        active.side === undefined ? active.reason : 'the roles are not understood',
        `compare "showrcopy groups ${report.sides.primary.group}" and "showrcopy groups ${report.sides.secondary.group}" on the two arrays`,
      );
    default:
      return impossible(
        'one array does not answer, and the group is not failed over on the other one, as far as that can be told',
        remedyOf(report),
      );
  }
}

/** Row 1: the natural roles; what is left is the copy back, if that. */
function atHome(report: GroupReport): Draft {
  const to: Side = isNaturalPrimary(report, 'primary') ? 'primary' : 'secondary';
  const view = report.sides[to].view;
  const peer = report.sides[otherSide(to)].view;
  if (view.answer !== 'group' || peer.answer !== 'group')
    return impossible('an array does not show the group', remedyOf(report));
  if (view.state === 'started') {
    const lagging = [...view.lagging, ...peer.lagging];
    const wait: Step[] = lagging.length > 0 ? [{ kind: 'wait-synced' }] : [];
    const stale = usedElsewhere(report, to);
    const why =
      lagging.length > 0 ? 'the group is home, and still being synced' : 'the group is home, started and synced';
    return {
      verdict: 'done',
      to,
      why,
      loss: { kind: 'none', why },
      steps: [...releaseSteps(stale), ...wait, ...finishSteps(to)],
    };
  }
  if (report.lastActive === otherSide(to)) {
    return impossible(
      `the roles are natural, but the group is ${view.state}, and it was used last on the ${otherSide(to)} array: either copy may be the newer one`,
      `compare the two copies; startrcopygroup ${report.sides[to].group} on the ${to} array would overwrite the other one`,
    );
  }
  const why = `the group was not failed over; it is ${view.state}, so nothing protects it`;
  return {
    verdict: 'done',
    to,
    why,
    loss: { kind: 'none', why: 'nothing is done' },
    steps: finishSteps(to),
    next: `on the ${to} array: startrcopygroup ${report.sides[to].group}`,
  };
}

function isNaturalPrimary(report: GroupReport, side: Side): boolean {
  const { view } = report.sides[side];
  return view.answer === 'group' && view.role === 'primary' && !view.reversed;
}

/** Rows 2 and 3: copy back while the containers run, then stop them for the moment of the change. */
function fromFailedOver(report: GroupReport, from: Side): Draft {
  const home = otherSide(from);
  const [here, there] = [report.sides[from].view, report.sides[home].view];
  if (here.answer !== 'group' || there.answer !== 'group')
    return impossible('an array does not show the group', remedyOf(report));
  const stale = usedElsewhere(report, from);
  const used = report.volumes.filter((each) => each.use?.side === from || each.use?.isOnBoth === true);
  const change: Step[] = [
    ...releaseSteps(used),
    arrayStep(report, from, { action: 'restore' }),
    { kind: 'wait-synced' },
    ...finishSteps(home),
  ];
  if (here.state === 'started' && report.hasSwitchover === true && stale.length === 0)
    return switchoverFrom(report, from);
  if (here.state === 'started') {
    const isLagging = here.lagging.length + there.lagging.length > 0;
    const wait: Step[] = isLagging ? [{ kind: 'wait-synced' }] : [];
    return heedingStale(stale, {
      verdict: 'ready',
      to: home,
      why: isLagging ? 'the group is being copied back' : 'the group is copied back, and follows every write',
      loss: ALL_KEPT,
      steps: [...releaseSteps(stale), ...wait, ...change],
    });
  }
  if (here.linksUp === false) {
    return impossible(
      `both arrays answer, but the links between them are down on the ${from} array, so nothing can be copied back`,
      'bring the remote copy links up (showrcopy links), and plan again',
    );
  }
  const destroys = `what only the ${home} array has: writes that it took after replication ended`;
  const steps: Step[] = [
    ...releaseSteps(stale),
    arrayStep(report, from, { action: 'recover', destroys }),
    { kind: 'wait-synced' },
    ...change,
  ];
  return heedingStale(stale, {
    verdict: 'ready',
    to: home,
    why: 'the group is failed over, and both arrays answer',
    loss: {
      kind: 'none',
      why: `of what the ${from} array has; after a failover with a loss: what only the ${home} array has`,
    },
    steps,
  });
}

/** A filesystem that is in use on the old copy does not see that its blocks are overwritten, and would write over the new ones. */
function heedingStale(stale: GroupVolume[], draft: Draft): Draft {
  if (stale.length === 0) return draft;
  const names = stale.map((each) => each.name).join(', ');
  return {
    ...draft,
    verdict: 'unsafe',
    why: `${names}: still used on the stale copy of the ${draft.to ?? 'other'} array`,
    loss: { kind: 'unknown', why: `what was written there since the failover is overwritten (${names})` },
    next: 'stop what uses the stale copy, save what it has written, and plan again',
  };
}
