import { sideLines } from './print-plan.js';
import { describeApart } from '../domain/attachment.js';
import type { GroupStatus, StatusReport } from '../driver/status-report.js';

/** The status, and the containers of this node by volume. */
export interface FullStatus extends StatusReport {
  /** By volume; absent when Docker did not answer. */
  containers?: Record<string, string[]>;
  dockerProblem?: string;
}

/** The lines for people. */
export function printStatus(status: FullStatus): string[] {
  const { arrays, groups, volumes, operations, runs = [], leftOvers, containers, dockerProblem } = status;
  const lines = [`${status.at}, asked on node ${status.node}, metadata ${status.metadata}`, '', 'Arrays'];
  for (const { label, reachable, problem, name, osVersion, sessions } of arrays) {
    const state = reachable
      ? `reachable, ${name ?? '?'}, version ${osVersion ?? '?'}, ${sessions ?? '?'} WSAPI sessions`
      : `NO ANSWER: ${(problem ?? 'unknown').replace(`${label} `, '')}`;
    lines.push(`  ${label}: ${state}`);
  }
  lines.push('', 'Groups', ...(groups.length === 0 ? ['  none'] : groups.flatMap(groupLines)));
  lines.push('', 'Volumes', ...(volumes.length === 0 ? ['  none'] : []));
  for (const volume of volumes) {
    const group = volume.group === undefined ? '' : `, group ${volume.group}`;
    const state = volume.state === 'ready' ? '' : `, ${volume.state}`;
    const use =
      volume.node === undefined ? 'not mounted' : `mounted on ${volume.node} from the ${volume.side ?? '?'} array`;
    const names = volume.isHere === true ? containers?.[volume.name] : undefined;
    const users = names === undefined ? '' : `, containers: ${names.join(', ') || 'none that runs'}`;
    lines.push(`  ${volume.name}: ${volume.sizeGiB} GiB, backend ${volume.backend}${group}${state}, ${use}${users}`);
    const apart = describeApart(volume.apart);
    if (apart !== undefined) lines.push(`    STOP its containers and start them again: ${apart}`);
    else if (volume.apart !== undefined)
      lines.push('    its two copies are apart: do not fail over, or what is written now is left behind');
  }
  if (dockerProblem !== undefined) lines.push(`  containers are not known: ${dockerProblem}`);
  lines.push('', 'Not finished', ...(operations.length + runs.length === 0 ? ['  nothing'] : []));
  for (const { goal, group, nodeName, by, startedAt } of runs) {
    lines.push(`  ${goal} of group ${group} is run on node ${nodeName} by ${by}, since ${startedAt}`);
  }
  for (const { volume, kind, phase, startedAt, error } of operations) {
    lines.push(`  ${kind} of ${volume} (${phase}, since ${startedAt})${error === undefined ? '' : `: ${error}`}`);
  }
  lines.push('', 'Left over', ...(leftOvers.length === 0 ? ['  nothing'] : leftOvers.map((each) => `  ${each}`)));
  return lines;
}

function groupLines({
  report,
  active,
  row,
  notProven,
  why,
  lastSync,
  lastSyncAgeSeconds,
  ...rest
}: GroupStatus): string[] {
  const serves = active === null ? `NO PROVEN SIDE (row ${row}: ${notProven ?? '?'})` : `active on the ${active} array`;
  const sync = lastSync === undefined ? '' : `; last sync ${lastSync}, ${lastSyncAgeSeconds ?? '?'} s ago`;
  const since = report.since === undefined ? '' : `, since ${report.since}`;
  return [
    `  ${report.name} (backend ${report.backend}, ${report.mode}): ${serves}`,
    `    protected: ${rest.protected ? 'yes' : 'NO'}${since} (${why})${sync}`,
    ...sideLines(report).map((line) => `  ${line}`),
  ];
}
