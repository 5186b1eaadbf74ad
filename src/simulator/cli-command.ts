import type { ArrayPair } from './array-pair.js';
import type { SimulatedArray } from './array.js';
import type { Arguments, Syntax } from './cli-arguments.js';
import type { TableStyle } from './cli-tables.js';

/** One command being run on one array. */
export interface Call {
  pair: ArrayPair;
  array: SimulatedArray;
  style: TableStyle;
  given: Arguments;
}

export interface Command extends Syntax {
  /** Changes an array: it waits its turn on the pair, like a writing WSAPI request. */
  changes: boolean;
  /** Returns the lines to print, none after a change. @throws CliError or Refusal: nothing was changed */
  run(call: Call): string[] | Promise<string[]>;
}
