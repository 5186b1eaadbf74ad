import { describeApart } from './attachment.js';
import { activeSideOf, protectionOf, usedElsewhere, type GroupReport } from './group-report.js';
import { otherSide } from './replication.js';

/** One thing that was looked at; what is `wrong` has to be seen to, a `note` is to be known. */
export interface Finding {
  level: 'ok' | 'note' | 'wrong';
  text: string;
}

/** Whether every volume of the group is served by the array that is to serve it, and by it alone (rules 4 and 46). */
export function verifyGroup(report: GroupReport): Finding[] {
  const { side, ...verdict } = activeSideOf(report);
  if (side === undefined) {
    const reason = 'reason' in verdict ? verdict.reason : 'unknown';
    return [{ level: 'wrong', text: `no array is proven to serve ${report.name} (row ${verdict.row}): ${reason}` }];
  }
  const other = otherSide(side);
  const { isProtected, why } = protectionOf(report);
  const findings: Finding[] = [
    { level: 'ok', text: `the ${side} array serves ${report.name} (row ${verdict.row})` },
    isProtected
      ? { level: 'ok', text: `replication protects it: ${why}` }
      : { level: 'note', text: `nothing protects it now: ${why}` },
  ];
  const stale = new Set(usedElsewhere(report, side).map((each) => each.name));
  for (const { name, use, exportedOn } of report.volumes) {
    const apart = describeApart(use?.apart);
    if (use !== undefined && apart !== undefined)
      findings.push({
        level: 'wrong',
        text: `${name} is used on node ${use.nodeName} from before ${apart}; stop its containers and start them again`,
      });
    else if (use?.isOnBoth === true && stale.has(name))
      findings.push({
        level: 'wrong',
        text: `${name} is used on node ${use.nodeName} from both arrays, and both take writes: one copy is stale`,
      });
    else if (use === undefined) findings.push({ level: 'note', text: `${name} is not mounted` });
    else if (use.isOnBoth === true)
      findings.push({
        level: 'ok',
        text: `${name} is mounted on node ${use.nodeName} from both arrays (peer persistence)`,
      });
    else if (use.side !== side)
      findings.push({
        level: 'wrong',
        text: `${name} is used on node ${use.nodeName} from the ${other} array: the stale copy`,
      });
    else findings.push({ level: 'ok', text: `${name} is mounted on node ${use.nodeName} from the ${side} array` });
    if (exportedOn?.includes(other) === true && use?.isOnBoth !== true)
      findings.push({ level: 'wrong', text: `${name} is still exported by the ${other} array` });
    if (use?.side === side && exportedOn?.includes(side) === false)
      findings.push({ level: 'wrong', text: `${name} is mounted, but the ${side} array does not export it` });
  }
  return findings;
}
