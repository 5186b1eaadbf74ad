import { iscsi, iscsiChap } from './01-iscsi.js';
import { fc } from './02-fc.js';
import { fcPaths, iscsiPaths } from './03-paths.js';
import { reusedLuns } from './04-reused-luns.js';
import { fcStale, iscsiStale } from './05-stale-array.js';
import { takeOver, takeOverPaused } from './06-take-over.js';
import { kill } from './07-kill.js';
import { contents } from './08-contents.js';
import { others } from './09-others.js';
import { alua } from './10-alua.js';
import { fcResize, iscsiResize } from './11-resize.js';
import { fcSwitchover, iscsiSwitchover } from './12-switchover.js';
import { pairOutage } from './13-pair-outage.js';
import { managed } from './14-managed.js';
import type { Scenario } from './scenario.js';

/** All scenarios, in the order of the run: long ones first, so that the last ones end together. */
export const scenarios: readonly Scenario[] = [
  reusedLuns,
  kill,
  managed,
  iscsi,
  fc,
  contents,
  iscsiStale,
  fcStale,
  fcPaths,
  iscsiPaths,
  pairOutage,
  iscsiSwitchover,
  fcSwitchover,
  iscsiResize,
  fcResize,
  iscsiChap,
  others,
  alua,
  takeOver,
  takeOverPaused,
];
