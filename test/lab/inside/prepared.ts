import type { ReadyPair } from '../../pair-client.js';

/** What `prepare.ts` tells the scenarios. */
export interface Prepared {
  pair: ReadyPair;
  /** What there is, in words; see `checks.ts`. */
  inventory: string[];
}

export const PREPARED = '/var/lab/prepared.json';
