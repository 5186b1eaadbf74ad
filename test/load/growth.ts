import type { Sample } from './gauges.js';

/** What a gauge may grow by from the middle third of a run to its last; the first third warms up. */
const ALLOWED = { memory: 12, files: 6, sessions: 0 };

/** Gauges that grew, in words: medians of the middle and of the last third of the run are compared. */
export function findGrowth(samples: readonly Sample[]): string[] {
  const [middle, last] = [third(samples, 1), third(samples, 2)];
  const grown: string[] = [];
  const compare = (what: string, allowed: number, of: (sample: Sample) => number): void => {
    const [before, after] = [median(middle.map(of)), median(last.map(of))];
    if (after - before > allowed) grown.push(`${what} grew from ${before} to ${after}`);
  };
  for (let node = 0; node < (samples[0]?.memory.length ?? 0); node += 1) {
    compare(`memory of node ${node + 1} (MiB)`, ALLOWED.memory, ({ memory }) => memory[node] ?? 0);
    compare(`open files of node ${node + 1}`, ALLOWED.files, ({ files }) => files[node] ?? 0);
  }
  compare('sessions on the arrays', ALLOWED.sessions, ({ sessions }) => sessions);
  return grown;
}

const third = (samples: readonly Sample[], index: number): readonly Sample[] =>
  samples.slice(Math.floor((samples.length * index) / 3), Math.floor((samples.length * (index + 1)) / 3));

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
