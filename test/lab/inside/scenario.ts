import { parseArgs } from 'node:util';
import { scenarios } from '../scenarios/list.js';
import { endAfter } from './command-line.js';
import { startSite } from './site.js';

// Runs one scenario in the guest.
await endAfter(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { full: { type: 'boolean', default: false } },
  });
  const scenario = scenarios.find(({ name }) => name === positionals[0]);
  if (scenario === undefined) throw new Error(`there is no scenario ${positionals[0]}`);
  const site = await startSite(scenario);
  await scenario.run(site, values);
  await site.step('nothing is left, and nothing of others is touched', async () => site.expectNothingLeft());
});
