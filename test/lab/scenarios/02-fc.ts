import { mainJob } from './main-job.js';
import type { Scenario } from './scenario.js';

const MINUTE_MS = 60_000;

export const fc: Scenario = {
  name: 'fc',
  title: 'Fibre Channel: create, write, fail over, restart, fail back, remove',
  conf: { mode: 'synchronous', protocol: 'fc' },
  timeoutMs: 8 * MINUTE_MS,
  quick: true,
  run: mainJob,
};
