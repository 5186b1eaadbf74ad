import { parseArgs } from 'node:util';
import { playHistories } from './lanes.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    lanes: { type: 'string', default: '3' },
    steps: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    shrink: { type: 'string', default: '40' },
  },
});
const until = Date.now() + Number(values.minutes) * 60_000;
let seed = Number(values.seed);
const totals = await playHistories({
  nextSeed: () => (Date.now() < until ? seed++ : undefined),
  steps: Number(values.steps),
  lanes: Number(values.lanes),
  shrinkRuns: Number(values.shrink),
  tell: (line) => console.log(line),
});
const { failures, ...counts } = totals;
for (const failure of failures) console.log(failure);
console.log(`soak from HISTORY_SEED=${values.seed}: ${JSON.stringify(counts)}, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
