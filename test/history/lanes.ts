import { cp } from 'node:fs/promises';
import path from 'node:path';
import { drawHistory } from './draw.js';
import { playHistory, type HistoryReport } from './history.js';
import { shrink } from './shrink.js';
import { describeStep, NODES, type Step } from './steps.js';
import { World } from './world.js';

/** Histories that follow one another in one world; then it is thrown away, so that nothing gathers unnoticed in a daemon. */
const HISTORIES_OF_A_WORLD = 25;

export interface LaneOptions {
  /** Seeds of the histories, one after the other for all lanes; undefined ends it. */
  nextSeed: () => number | undefined;
  steps: number;
  /** Worlds side by side. */
  lanes: number;
  /** Which steps of each history, by index; all when not given. */
  path?: readonly number[];
  /** Runs of a failed history with fewer steps. */
  shrinkRuns: number;
  tell: (line: string) => void;
}

export interface Totals {
  histories: number;
  done: number;
  skipped: number;
  calm: number;
  starved: number;
  failures: string[];
}

/** Plays histories in several worlds at once; a failed one is shrunk and told in words. */
export async function playHistories(options: LaneOptions): Promise<Totals> {
  const totals: Totals = { histories: 0, done: 0, skipped: 0, calm: 0, starved: 0, failures: [] };
  await Promise.all(Array.from({ length: options.lanes }, async () => runLane(options, totals)));
  return totals;
}

async function runLane(options: LaneOptions, totals: Totals): Promise<void> {
  let world: World | undefined;
  let played = 0;
  try {
    for (let seed = options.nextSeed(); seed !== undefined; seed = options.nextSeed()) {
      world ??= await World.open();
      const drawn = drawHistory(seed, options.steps);
      const kept = options.path ?? [...drawn.keys()];
      const started = performance.now();
      const report = await playHistory(world, pick(drawn, kept), `-${played}`);
      played += 1;
      count(totals, report);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      options.tell(`history ${seed}: ${report.done} steps done, ${report.skipped} skipped, ${seconds} s`);
      if (report.failure === undefined && played < HISTORIES_OF_A_WORLD) continue;
      if (report.failure !== undefined) {
        options.tell(
          `history ${seed} fails after step ${report.failure.after}: ${report.failure.what}\n${await logs(world, seed)}`,
        );
      }
      await world.close();
      [world, played] = [undefined, 0];
      if (report.failure !== undefined) totals.failures.push(await explain(options, { seed, drawn, kept, report }));
    }
  } finally {
    await world?.close();
  }
}

const pick = (drawn: readonly Step[], kept: readonly number[]): Step[] => kept.flatMap((index) => drawn[index] ?? []);

function count(totals: Totals, report: HistoryReport): void {
  totals.histories += 1;
  for (const key of ['done', 'skipped', 'calm', 'starved'] as const) totals[key] += report[key];
}

/** The end of what each daemon told; all of it goes below `HISTORY_LOGS`, if that is set. */
async function logs({ daemons }: World, seed: number): Promise<string> {
  const dir = process.env['HISTORY_LOGS'];
  for (const node of dir === undefined ? [] : NODES) {
    await cp(daemons[node].logFile, path.join(dir ?? '', `${seed}-${node}.log`));
  }
  return `${await daemons.node1.logTail(8)}\n${await daemons.node2.logTail(8)}`;
}

interface Failed {
  seed: number;
  drawn: Step[];
  kept: readonly number[];
  report: HistoryReport;
}

async function explain({ shrinkRuns, tell }: LaneOptions, { seed, drawn, kept, report }: Failed): Promise<string> {
  let what = report.failure?.what ?? '';
  const needed = kept.slice(0, (report.failure?.after ?? kept.length) + 1);
  const fails = async (fewer: readonly number[]): Promise<boolean> => {
    const world = await World.open();
    try {
      const { failure } = await playHistory(world, pick(drawn, fewer), '-0');
      if (failure === undefined) return false;
      what = failure.what;
      tell(`history ${seed} also fails with ${fewer.length} steps: ${failure.what.split('\n')[0]}`);
      return true;
    } finally {
      await world.close();
    }
  };
  const least = await shrink(needed, shrinkRuns, fails);
  const words = pick(drawn, least).map((step) => `  ${describeStep(step)}`);
  const replay = `HISTORY_SEED=${seed} HISTORY_PATH=${least.join()}`;
  return [what, `replay: ${replay} npm run test:histories`, ...words].join('\n');
}
