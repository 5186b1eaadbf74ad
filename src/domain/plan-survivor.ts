import type { SideView } from './active-side.js';
import {
  arrayStep,
  finishSteps,
  impossible,
  isUntouchedSince,
  lagsOf,
  lossWithout,
  releaseSteps,
  remedyOf,
  type Draft,
  type Loss,
  type RunMemory,
} from './failover-plan.js';
import { SIDES, type GroupReport } from './group-report.js';
import { otherSide, type Side } from './replication.js';

type GroupView = Extract<SideView, { answer: 'group' }>;

/** Row 9: the other array is silent; this one has a copy of which it cannot say how old it is. */
export function toSurvivor(report: GroupReport, memory: RunMemory): Draft {
  const to = SIDES.find((side) => report.sides[side].view.answer === 'group');
  const view = to && report.sides[to].view;
  if (to === undefined || view?.answer !== 'group') return impossible('no array shows the group', remedyOf(report));
  const silent = `the ${otherSide(to)} array`;
  if (view.state !== 'stopped') {
    const reason = view.state === 'started' ? ': it still gets its writes, or does not know yet that they end' : '';
    return impossible(
      `${silent} does not answer us, but the group is ${view.state} on the ${to} array${reason}`,
      `${remedyOf(report)}; or see whether it lives (its console, showport), stop the group there, and plan again`,
    );
  }
  const stale = report.volumes.filter((each) => each.use?.side !== to || each.use.isOnBoth === true);
  const steps = [...releaseSteps(stale), arrayStep(report, to, { action: 'failover' }), ...finishSteps(to)];
  const cautions = [`if ${silent} lives and only does not answer us, make sure that nobody writes to it any more`];
  const safe = safetyOf(report, to, memory);
  cautions.push(...blindnessOf(report, to));
  if (safe !== undefined) return { verdict: 'ready', to, ...safe, cautions, steps };
  return { verdict: 'unsafe', to, ...dangerOf(report, to, view), cautions, steps, next: remedyOf(report) };
}

/** Looks follow each other by this; a longer time without one is told. */
const BLIND_MS = 60_000;

/** What nobody here has seen of the silent array. */
function blindnessOf(report: GroupReport, to: Side): string[] {
  const silent = `the ${otherSide(to)} array`;
  const last = report.sides[otherSide(to)].lastSeen;
  if (last === undefined)
    return [`the daemon here never saw ${silent} alive: if that went on alone before, what it took is lost`];
  const { at, missedAt = report.at } = last;
  const blindMs = Date.parse(missedAt) - Date.parse(at);
  // Less than none: the clock was wrong then or is now (rule 43).
  if (blindMs >= 0 && blindMs <= BLIND_MS) return [];
  return [
    `the daemon here saw ${silent} last at ${at} and did not look again before ${missedAt}: if that went on alone in between, what it took is lost`,
  ];
}

/** Why the copy on that side has everything that was acknowledged, as far as that can be known. */
function safetyOf(report: GroupReport, to: Side, memory: RunMemory): { why: string; loss: Loss } | undefined {
  const silent = `the ${otherSide(to)} array`;
  const { view } = report.sides[to];
  const last = report.sides[otherSide(to)].lastSeen;
  if (isUntouchedSince(report, memory)) {
    const why = `${silent} is silent; the group was stopped for this failover, with everything synced`;
    if (report.mode !== 'streaming') return { why, loss: { kind: 'none', why: 'nothing was mounted since' } };
  }
  const isLost = view.answer === 'group' && view.linksUp === false;
  if (!isLost || report.mode !== 'synchronous' || last?.isAlone === true || lagsOf(report, to).length > 0)
    return undefined;
  const seen =
    last?.isProtected === true ? `, and the group was protected when that array last answered, at ${last.at}` : '';
  return {
    why: `${silent} is silent and its links are down; every volume was synced when replication ended${seen}`,
    loss: {
      kind: 'none',
      why: `as far as the ${to} array knows: what the ${otherSide(to)} array took after the links broke is not on it`,
    },
  };
}

function dangerOf(report: GroupReport, to: Side, { linksUp }: GroupView): { why: string; loss: Loss } {
  const silent = `the ${otherSide(to)} array`;
  const last = report.sides[otherSide(to)].lastSeen;
  if (linksUp !== false) {
    const lives = linksUp === true ? 'its links are up: it lives' : 'nobody can say whether it lives';
    const why = `${silent} does not answer us, and ${lives}; somebody has stopped the group`;
    return { why, loss: { kind: 'unknown', why: 'what it took since the stop' } };
  }
  if (last?.isAlone === true && report.mode !== 'asynchronous') {
    const why = `${silent} went on alone before it fell silent: when it last answered, at ${last.at}, ${last.why}`;
    const isWhole = lagsOf(report, to).length === 0;
    return { why, loss: isWhole ? { kind: 'unknown', why: 'what it took alone' } : lossWithout(report, to) };
  }
  return { why: `${silent} is silent and its links are down`, loss: lossWithout(report, to) };
}
