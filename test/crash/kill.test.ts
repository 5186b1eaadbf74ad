import { afterAll, describe, expect, it } from '@jest/globals';
import { killEverywhere, type Finding, type KillReport } from './kill-loop.js';
import { SCENES } from './scenes.js';
import { TAKE_OVER } from './take-over-scene.js';

/*
 * Every verb is killed with SIGKILL just before and just after every outward call: array request, metadata write, Linux tool,
 * file of the state directory. The daemon is started again, and converges without any further verb: Create and Mount are
 * undone (or were complete), Unmount and Remove are finished (or were not begun). A take-over that was begun is not given back.
 */

/** At one call in so many, so that nobody has to wait too long; at every call with CRASH_STRIDE=1. */
const STRIDE = Number(process.env['CRASH_STRIDE'] ?? '3');
const rows: string[] = [];

function row(name: string, { points, ends, findings }: KillReport): string {
  const cells = [name.padEnd(46), points, ends.undone, ends.done, ends.robbed, findings.length];
  return cells.map((cell) => String(cell).padStart(9)).join('');
}

/** At once: the rest takes minutes. */
function tell(name: string, { point, what }: Finding): void {
  process.stderr.write(`${name}, killed ${point}:\n  ${what.join('\n  ')}\n`);
}

afterAll(() => {
  const head = ['verb'.padEnd(46), 'points', 'undone', 'done', 'robbed', 'left']
    .map((cell) => cell.padStart(9))
    .join('');
  console.log([head, ...rows.toSorted()].join('\n'));
});

describe('A daemon that is killed in the middle of', () => {
  for (const scene of [TAKE_OVER, ...SCENES]) {
    const name = `${scene.verb} (${scene.title}), ${scene.store}`;
    it.concurrent(
      name,
      async () => {
        const report = await killEverywhere(scene, STRIDE, (finding) => tell(name, finding));
        const line = row(name, report);
        rows.push(line);
        process.stderr.write(`${line}\n`);
        expect(report.findings).toEqual([]);
        // Not all: the rehearsal logs in to both arrays, and later the daemon may have done so before the verb begins.
        expect(report.points).toBeGreaterThanOrEqual((report.calls * 1.5) / STRIDE - 1);
        const { undone, done, robbed } = report.ends;
        if (STRIDE === 1) expect(Math.min(undone, done)).toBeGreaterThan(0);
        expect(robbed > 0).toBe(scene.robs !== undefined);
      },
      600_000,
    );
  }
});
