import type { Expectation } from './expect.js';
import type { LedgerVolume } from './ledger.js';
import type { OpenCall } from './scene.js';
import type { Verb } from './steps.js';

/** `undefined`: the daemon died before it answered. */
export type Answer = { err: string; mountpoint?: string } | undefined;

/** A verb, and what was true when it was sent. */
export interface Question {
  verb: Verb;
  /** When it was sent, by the wall clock of the daemons' logs. */
  asked: number;
  expected: Expectation;
  /** Why it may not succeed, whatever is in trouble. */
  forbidden: string | undefined;
  disturbances: number;
  /** The volume that had this name, and what its copies were. */
  volume: LedgerVolume | undefined;
  formatted: LedgerVolume['formatted'] | undefined;
  /** Its daemon gets a signal in its middle. */
  mayDie: boolean;
  call: OpenCall;
}
