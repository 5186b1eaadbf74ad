import { afterAll, describe, expect, it } from '@jest/globals';
import { densityOf, strideOf } from './density.js';
import { killEverywhere, type Finding, type KillReport } from './kill-loop.js';
import { IMPORT_SCENES } from './import-scenes.js';
import { METADATA_SCENES } from './metadata-scenes.js';
import { SCENES } from './scenes.js';
import { TAKE_OVER } from './take-over-scene.js';

/*
 * Every verb is killed with SIGKILL just before and just after every outward call: array request, metadata write, Linux tool,
 * file of the state directory. The daemon is started again, and converges without any further verb: Create and Mount are
 * undone (or were complete), Unmount and Remove are finished (or were not begun). A take-over that was begun is not given back.
 * What rebuilds or imports metadata is typed again instead, and then ends as if nobody had disturbed it.
 */

/** Calls: all of them, or one in so many. */
const STRIDE = strideOf({ inCI: 7, byHand: 8 });
/** A robbed node takes seconds to clean up; so many lanes share the places. */
const TAKE_OVER_PARTS = 4;
const cases = [
  ...Array.from({ length: TAKE_OVER_PARTS }, (_, part) => ({ scene: TAKE_OVER, part, parts: TAKE_OVER_PARTS })),
  ...[...SCENES, ...IMPORT_SCENES, ...METADATA_SCENES].map((scene) => ({ scene, part: 0, parts: 1 })),
];
const totals = new Map<string, Omit<KillReport, 'calls'>>();

function add(name: string, { points, ends, findings }: KillReport): void {
  const sum = totals.get(name) ?? { points: 0, ends: { undone: 0, done: 0, robbed: 0 }, findings: [] };
  sum.points += points;
  for (const end of ['undone', 'done', 'robbed'] as const) sum.ends[end] += ends[end];
  sum.findings.push(...findings);
  totals.set(name, sum);
}

/** At once: the rest takes minutes. */
function tell(name: string, { point, what }: Finding): void {
  process.stderr.write(`${name}, killed ${point}:\n  ${what.join('\n  ')}\n`);
}

afterAll(() => {
  const rows = [...totals]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, { points, ends, findings }]) => [name, points, ends.undone, ends.done, ends.robbed, findings.length]);
  const sum = [1, 2, 3, 4, 5].map((i) => rows.reduce((total, row) => total + Number(row[i]), 0));
  const lines = [['verb', 'points', 'undone', 'done', 'robbed', 'left'], ...rows, ['together', ...sum]];
  const inColumns = lines.map(([name, ...cells]) =>
    [String(name).padEnd(46), ...cells.map((cell) => String(cell).padStart(9))].join(''),
  );
  console.log(inColumns.join('\n'));
});

describe('A daemon that is killed in the middle of', () => {
  for (const [i, { scene, part, parts }] of cases.entries()) {
    const name = `${scene.verb} (${scene.title}), ${scene.store}`;
    it.concurrent(
      parts === 1 ? name : `${name}, part ${part + 1} of ${parts}`,
      async () => {
        const density = densityOf(STRIDE * (scene.sparse ?? 1), i, { part, parts });
        const report = await killEverywhere(scene, density, (finding) => tell(name, finding));
        add(name, report);
        process.stderr.write(`${name}: ${report.points} points, ${report.findings.length} left\n`);
        expect(report.findings).toEqual([]);
        // Not all: the rehearsal logs in to both arrays, and later the daemon may have done so before the verb begins.
        expect(report.points).toBeGreaterThanOrEqual((report.calls * 1.5) / density.stride - 1);
      },
      1_800_000,
    );
  }

  if (STRIDE === 1) it('each verb is interrupted early enough to be undone and late enough to be done', expectAllEnds);
});

function expectAllEnds(): void {
  for (const { scene } of cases) {
    const ends = totals.get(`${scene.verb} (${scene.title}), ${scene.store}`)?.ends;
    // A sparse scene may pass over the few calls that decide.
    if (ends === undefined || scene.sparse !== undefined) continue;
    expect(ends.undone > 0).toBe(scene.lookBeforeRepeat === undefined);
    expect(ends.done).toBeGreaterThan(0);
    expect(ends.robbed > 0).toBe(scene.robs !== undefined);
  }
}
