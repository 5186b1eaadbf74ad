import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openLab, type Lab, type Result } from './lab.js';
import { scenarios } from './scenarios/list.js';
import type { Scenario } from './scenarios/scenario.js';
import { openShell } from './shell.js';

const { values } = parseArgs({
  options: {
    /** One scenario over iSCSI and one over Fibre Channel. */
    quick: { type: 'boolean', default: false },
    /** One scenario, or several. */
    only: { type: 'string', multiple: true },
    /** As many rounds as the acceptance test has. */
    full: { type: 'boolean', default: false },
    /** Takes commands for a fresh guest, or for the one that `--only` has run in. */
    shell: { type: 'boolean', default: false },
  },
});

function chosen(): typeof scenarios {
  const { only, quick, full } = values;
  if (only === undefined) {
    return scenarios.filter((each) => (quick ? each.quick === true : full || each.long === undefined));
  }
  const names = scenarios.map(({ name }) => name);
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`--only takes one of ${names.join(', ')}`);
  return scenarios.filter(({ name }) => only.includes(name));
}

function print({ scenario, seconds, notes, failure }: Result): void {
  const facts = [...notes, `${seconds.toFixed(0)} s`].join('; ');
  console.log(`${failure === undefined ? '✓' : '✗'} ${scenario.name}: ${scenario.title} (${facts})`);
  if (failure !== undefined) console.log(failure.replaceAll(/^/gm, '    '));
}

/** As many guests at a time as there are cores; each has one. Scenarios of two guests come last. */
async function runAll(lab: Lab): Promise<Result[]> {
  const results: Result[] = [];
  const work = async (waiting: Scenario[]): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const result = await lab.run(next, { full: values.full, keep: values.shell });
      print(result);
      results.push(result);
    }
  };
  for (const guests of [1, 2]) {
    const waiting = chosen().filter(({ twoNodes }) => guests === (twoNodes ? 2 : 1));
    await Promise.all(Array.from({ length: Math.max(1, cpus().length / guests) }, async () => work(waiting)));
  }
  return results;
}

async function main(): Promise<void> {
  const lab = await openLab();
  try {
    if (values.shell && values.only === undefined) return await openShell(await lab.restore('shell'));
    const { only, quick, full } = values;
    const long = scenarios.filter((each) => each.long === true).map(({ name }) => name);
    if (only === undefined && !quick && !full) console.log(`left out, with --full or --only only: ${long.join(', ')}`);
    const results = await runAll(lab);
    for (const { vm } of results) if (vm !== undefined) await openShell(vm);
    const failed = results.filter(({ failure }) => failure !== undefined).length;
    console.log(`${results.length - failed} passed, ${failed} failed`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    await lab.close();
  }
}

await main();
