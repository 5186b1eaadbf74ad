import type { Container } from '../contracts/engine.js';
import { assertNever } from '../domain/errors.js';
import type { FailoverPlan, Loss, Step } from '../domain/failover-plan.js';
import { describeView } from '../domain/active-side.js';
import { SIDES, type GroupReport, type LastSeen } from '../domain/group-report.js';

/** A plan with everything that is shown beside it. */
export interface ShownPlan {
  report: GroupReport;
  plan: FailoverPlan;
  /** Of this node; undefined when Docker did not answer. */
  containers: Container[] | undefined;
}

const VERDICTS: Record<FailoverPlan['verdict'], string> = {
  ready: 'safe',
  done: 'done already',
  unsafe: 'NOT SAFE',
  impossible: 'not possible now',
};

/** The lines for people: what the arrays say, whether it is safe and why, what would be lost, and what to type. */
export function printPlan(shown: ShownPlan): string[] {
  const { report, plan } = shown;
  const { goal, verdict, row, why, loss, cautions, steps, next, to } = plan;
  const lines = [
    `${goal} of group ${report.name} (backend ${report.backend}, ${report.mode}), as seen at ${report.at}`,
    ...sideLines(report),
    `  ${VERDICTS[verdict]}: ${why} (row ${row} of the role table)`,
    ...(verdict === 'impossible' ? [] : [`  lost:  ${describeLoss(loss)}`]),
    ...(to === undefined ? [] : [`  then served by the ${to} array`]),
    ...cautions.map((each) => `  note:  ${each}`),
    ...(next === undefined ? [] : [`  next:  ${next}`]),
  ];
  if (steps.length === 0) return lines;
  const type = verdict === 'unsafe' ? 'If it has to be done all the same:' : 'What to do, in this order:';
  return [...lines, type, ...steps.map((step, at) => `  ${at + 1}. ${describeStep(step, shown)}`), commandLine(shown)];
}

/** Each array with the group's name on it; volumes by the names that their users know. */
export function sideLines({ at, sides, volumes }: GroupReport): string[] {
  return SIDES.map((side) => {
    const { array, group, view, lastSeen } = sides[side];
    // The failure names the array once more.
    const words = volumes.reduce((text, { arrayName, name }) => text.replaceAll(arrayName, name), describeView(view));
    const seen = lastSeen === undefined ? '' : `; ${describeLastSeen(lastSeen, at)}`;
    return `  ${side}: ${group} on ${array}: ${words.replace(`${array} `, '')}${seen}`;
  });
}

function describeLastSeen({ at, isProtected, why }: LastSeen, now: string): string {
  const ageSeconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(at)) / 1000));
  return `it last answered at ${at}, ${ageSeconds} s before this; the group was ${isProtected ? 'protected' : 'NOT protected'} then (${why})`;
}

function commandLine({ report, plan }: ShownPlan): string {
  const accept = plan.verdict === 'unsafe' ? ' --accept-loss "REASON"' : '';
  return `Or let it be done, step by step: hpe-volume-plugin ${plan.goal} run ${report.name}${accept}`;
}

export function describeLoss(loss: Loss): string {
  switch (loss.kind) {
    case 'none':
      return `nothing (${loss.why})`;
    case 'since':
      return `what was written since ${loss.at}, ${loss.ageSeconds} s ago (${loss.why})`;
    case 'unknown':
      return `not known: ${loss.why}`;
    default:
      return assertNever(loss);
  }
}

export function describeStep(step: Step, { report, containers }: Pick<ShownPlan, 'report' | 'containers'>): string {
  switch (step.kind) {
    case 'stop-containers':
      return stopLine(step, containers);
    case 'wait-released':
      return `wait until nothing uses ${step.volumes.join(', ')} any more (hpe-volume-plugin status)`;
    case 'array': {
      const destroys = step.destroys === undefined ? '' : `  (overwrites ${step.destroys})`;
      return `on the ${step.side} array: ${step.command}${destroys}`;
    }
    case 'wait-synced':
      return `wait until every volume of ${report.name} is Synced (showrcopy groups)`;
    case 'start-containers':
      return 'start the containers again (docker start)';
    case 'verify':
      return `see that the ${step.side} array serves them: hpe-volume-plugin verify ${report.name}`;
    default:
      return assertNever(step);
  }
}

function stopLine(step: Extract<Step, { kind: 'stop-containers' }>, containers: Container[] | undefined): string {
  const volumes = step.volumes.join(', ');
  if (!step.isHere) {
    const filters = step.volumes.map((name) => `--filter volume=${name}`).join(' ');
    return `on node ${step.nodeName}: docker stop what uses ${volumes} (docker ps ${filters})`;
  }
  if (containers === undefined) return `docker stop what uses ${volumes} here (Docker gave no answer)`;
  const names = containers.filter((each) => each.volumes.some((name) => step.volumes.includes(name)));
  if (names.length === 0) return `nothing that runs here uses ${volumes}, but it is mounted: see docker ps -a`;
  return `docker stop ${names.map((each) => each.name).join(' ')}  (uses ${volumes})`;
}
