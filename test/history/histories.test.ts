import { describe, expect, it } from '@jest/globals';
import { playHistories } from './lanes.js';

/*
 * Two nodes, a pair of arrays and an etcd live through random histories: verbs of both nodes, containers that write, operators
 * who fail groups over and bring them home, and everything that breaks. The ledger knows what was acknowledged; a Mount has
 * to show it, two nodes never write at a time, and at the end nothing is lost, touched or left.
 */

const { CI, HISTORY_SEED, HISTORY_PATH, HISTORY_RUNS } = process.env;
const STEPS = 30;
const LANES = 4;
/** CI has to end: there a seed is told soon, and shrunk by whoever replays it. */
const SHRINK_RUNS = CI === 'true' ? 10 : 60;
/** In CI no history begins later; a slow machine plays fewer than are wanted, and says so. */
const CI_BUDGET_MS = 3 * 60_000;
/** Ten times what 200 of them take on two cores, for a machine that has more to do, and for shrinking. */
const LIMIT_MS = 2 * 3_600_000;

/** A seed alone replays one history, with a path some steps of it. */
const runs = Number(HISTORY_RUNS ?? (HISTORY_SEED !== undefined ? 1 : CI === 'true' ? 200 : 10));
const first = Number(HISTORY_SEED ?? (CI === 'true' ? 1_000 : Date.now() % 2 ** 31));

const budgetMs = CI === 'true' && HISTORY_RUNS === undefined ? CI_BUDGET_MS : Infinity;

describe('Random histories', () => {
  it(
    `of up to ${runs} times ${STEPS} steps lose, touch and leave nothing`,
    async () => {
      process.stderr.write(`histories: HISTORY_SEED=${first} HISTORY_RUNS=${runs}\n`);
      const started = performance.now();
      let next = first;
      const { failures, ...counts } = await playHistories({
        nextSeed: () => (next < first + runs && performance.now() - started < budgetMs ? next++ : undefined),
        steps: STEPS,
        lanes: Math.min(LANES, runs),
        ...(HISTORY_PATH === undefined ? {} : { path: HISTORY_PATH.split(',').map(Number) }),
        shrinkRuns: SHRINK_RUNS,
        tell: (line) => void process.stderr.write(`${line}\n`),
      });
      const seconds = Math.round((performance.now() - started) / 1000);
      process.stderr.write(
        `histories: ${counts.histories} of ${runs}: ${JSON.stringify(counts)}, ${failures.length} failed, ${seconds} s\n`,
      );
      expect(failures).toEqual([]);
      // Steps that make no sense as things are would prove nothing.
      expect(counts.skipped).toBeLessThan(counts.done);
      expect(counts.starved).toBeLessThanOrEqual(counts.calm / 4);
    },
    LIMIT_MS,
  );
});
