import { expect } from '@jest/globals';
import type { Node } from '../harness.js';
import type { ArrayCall, Effect } from './array-calls.js';

/** What became of each call under each effect. */
export class Outcomes {
  readonly #title: string;
  readonly #effects: readonly Effect[];
  readonly #cells = new Map<string, Map<Effect, string>>();

  constructor(title: string, effects: readonly Effect[]) {
    this.#title = title;
    this.#effects = effects;
  }

  add(call: string, effect: Effect, outcome: string): void {
    const row = this.#cells.get(call) ?? new Map<Effect, string>();
    this.#cells.set(call, row.set(effect, outcome));
  }

  print(): void {
    const width = Math.max(...[...this.#cells.keys()].map((call) => call.length));
    const line = (first: string, cells: string[]): string =>
      [first.padEnd(width), ...cells.map((cell) => cell.padEnd(16))].join(' | ').trimEnd();
    const rows = [...this.#cells].map(([call, row]) =>
      line(
        call,
        this.#effects.map((effect) => row.get(effect) ?? ''),
      ),
    );
    process.stdout.write(`\n${[this.#title, line('', [...this.#effects]), ...rows].join('\n')}\n`);
  }
}

/** Of so many calls one fails in each sweep. CALL_STRIDE=1 has all of them fail in every sweep. */
const STRIDE = wholeNumber(process.env['CALL_STRIDE'] ?? (process.env['CI'] === 'true' ? '3' : '4'));
if (STRIDE > 1)
  process.stderr.write(
    `one change in ${STRIDE} and one read in ${Math.min(STRIDE, 2)} fail in each way, others in the next way\n`,
  );
/** A read is the same to who waits for it in most of the ways, and fails in few. */
const READ_WAYS = 2;
/** So that the failures of one kind are not all of the same calls as those of the next. */
let sweeps = 0;

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`CALL_STRIDE=${text} is no whole number from 1 on`);
  return Number(text);
}

/**
 * The calls, each on whichever node is free. Where they fail in several ways, one after the other, not all of them do in each, so
 * that nobody has to wait too long; but each in one of them.
 */
export async function eachCall(
  { nodes, calls, ways }: { nodes: Node[]; calls: ArrayCall[]; ways: number },
  work: (node: Node, call: ArrayCall) => Promise<void>,
): Promise<void> {
  sweeps += 1;
  const strideOf = ({ changes }: ArrayCall): number => Math.min(STRIDE, ways, changes ? ways : READ_WAYS);
  const left = calls.filter((call, i) => i % strideOf(call) === sweeps % strideOf(call));
  const ended = await Promise.allSettled(
    nodes.map(async (node) => {
      for (let call = left.shift(); call !== undefined; call = left.shift()) {
        try {
          await work(node, call);
        } catch (error) {
          // The call belongs into the message; the assertion's own text stays.
          if (error instanceof Error) error.message = `${call.title}: ${error.message}`;
          throw error;
        }
      }
    }),
  );
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}

/** The fault struck, and only once. */
export async function strike(
  { node, call, effect }: { node: Node; call: ArrayCall; effect: Effect },
  verb: (node: Node) => Promise<string>,
): Promise<string> {
  await node.control.fault({ array: call.array, match: call.match, effect });
  const error = await verb(node);
  expect(await node.control.faults()).toEqual([]);
  return error;
}

/** A read that pretends to be done is the read itself. */
export const canFail = (effect: Effect) => (call: ArrayCall) => call.changes || effect !== 'ok-not-done';
