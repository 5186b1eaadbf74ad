import { afterAll, describe, expect, it } from '@jest/globals';
import { densityOf, strideOf } from './density.js';
import { strikeWithRival, type Mode } from './rival-loop.js';
import { RIVAL_SCENES } from './rival-scenes.js';

/*
 * Two nodes on one etcd. The first one is killed, or paused past its lease, at the outward calls of a verb; then the second
 * one does what its users want. When the first one is back, it touches neither arrays nor records, and cleans up its own host.
 */

/** Each strike costs seconds: one place in so many, odd so that places before and after a call take turns. CRASH_CALL=16: that call only. */
const STRIDE = strideOf({ inCI: 42, byHand: 42 });
const rows: string[] = [];

afterAll(() => {
  const head = ['verb of the node that is struck'.padEnd(58), 'how', 'struck', 'places', 'left'];
  console.log([head.map((cell) => cell.padStart(8)).join(''), ...rows.toSorted()].join('\n'));
});

describe('Another node goes on, after its owner was struck in the middle of', () => {
  const cases = RIVAL_SCENES.flatMap((scene) => (['kill', 'pause'] as Mode[]).map((mode) => ({ scene, mode })));
  for (const [i, { scene, mode }] of cases.entries()) {
    it.concurrent(
      `${scene.title} (${mode})`,
      async () => {
        const { struck, places, findings } = await strikeWithRival(scene, mode, densityOf(STRIDE, i));
        const cells = [scene.title.padEnd(58), mode, struck, places, findings.length];
        rows.push(cells.map((cell) => String(cell).padStart(8)).join(''));
        process.stderr.write(`${rows.at(-1)}\n`);
        expect(findings).toEqual([]);
        expect(struck).toBeGreaterThanOrEqual(Math.floor(places / STRIDE / 2));
      },
      1_800_000,
    );
  }
});
