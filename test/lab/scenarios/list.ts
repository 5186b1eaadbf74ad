import { iscsi, iscsiChap } from './01-iscsi.js';
import { fc } from './02-fc.js';
import { takeOver, takeOverPaused } from './06-take-over.js';
import type { Scenario } from './scenario.js';

/** All scenarios, in the order of the run. */
export const scenarios: readonly Scenario[] = [iscsi, fc, iscsiChap, takeOver, takeOverPaused];
