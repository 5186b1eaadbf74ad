import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openLab, type Lab, type Result } from './lab.js';
import { scenarios } from './scenarios/list.js';
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
  const { only, quick } = values;
  if (only === undefined) return quick ? scenarios.filter((each) => each.quick === true) : scenarios;
  const names = scenarios.map(({ name }) => name);
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`--only takes one of ${names.join(', ')}`);
  return scenarios.filter(({ name }) => only.includes(name));
}

function print({ scenario, seconds, failure }: Result): void {
  console.log(`${failure === undefined ? '✓' : '✗'} ${scenario.name}: ${scenario.title} (${seconds.toFixed(0)} s)`);
  if (failure !== undefined) console.log(failure.replaceAll(/^/gm, '    '));
}

/** Two or more at a time, as there are cores; each machine has one. */
async function runAll(lab: Lab): Promise<Result[]> {
  const waiting = [...chosen()];
  const results: Result[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const result = await lab.run(next, { full: values.full, keep: values.shell });
      print(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: cpus().length }, worker));
  return results;
}

async function main(): Promise<void> {
  const lab = await openLab();
  const interrupted = (): void => void lab.close().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    if (values.shell && values.only === undefined) return await openShell(await lab.restore('shell'));
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
