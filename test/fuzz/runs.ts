import type { Parameters } from 'fast-check';

/** The same in each run of CI, so that a change is judged by itself; another one at each run elsewhere. */
const seed = Number(process.env['FUZZ_SEED'] ?? (process.env['CI'] === 'true' ? 1 : Date.now() % 2 ** 31));

/**
 * How much is tried. A failure prints its seed and path; `FUZZ_SEED=<seed>` replays a whole file, `FUZZ_RUNS=<n>` tries
 * more or less than usual.
 */
export const FUZZ: { runs: number; options: Parameters<unknown> } = {
  runs: Number(process.env['FUZZ_RUNS'] ?? 200),
  options: { seed, endOnFailure: false },
};
process.stdout.write(`fuzz: FUZZ_SEED=${seed}\n`);
