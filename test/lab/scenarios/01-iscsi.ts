import { mainJob } from './main-job.js';
import type { Scenario } from './scenario.js';

const MINUTE_MS = 60_000;

export const iscsi: Scenario = {
  name: 'iscsi',
  title: 'iSCSI: create, write, fail over, restart, fail back, remove',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 8 * MINUTE_MS,
  quick: true,
  run: mainJob,
};

export const iscsiChap: Scenario = {
  name: 'iscsi-chap',
  title: 'iSCSI with CHAP: the same',
  conf: { ...iscsi.conf, chap: true },
  timeoutMs: iscsi.timeoutMs,
  run: mainJob,
};
