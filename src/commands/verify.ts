import { verifyGroup } from '../domain/verify-group.js';
import { parseGroupOrder } from './failover.js';
import { findingLines, notRight } from './findings.js';
import { withReports } from './reports.js';
import { processTerminal, type Terminal } from './terminal.js';

/** `verify RCG`: whether each volume is served by the array that is to serve it. The lines to print. @throws `refused` when one is not, after printing */
export async function verify(
  args: string[],
  terminal: Pick<Terminal, 'say'> = processTerminal({ yes: true }),
): Promise<string[]> {
  const { where, group: name, backend, json } = parseGroupOrder('verify', args);
  const report = await withReports(where, async (reports) => reports.group({ name, backend, exports: true }));
  const findings = verifyGroup(report);
  for (const line of json ? [JSON.stringify(findings, undefined, 2)] : findingLines(findings)) terminal.say(line);
  const wrong = findings.filter((each) => each.level === 'wrong').map((each) => each.text);
  if (wrong.length > 0) throw notRight(name, wrong);
  return [];
}
