import { together } from '../domain/together.js';
import type { Step, StepContext } from './saga.js';

/** A part of a step that is done beside others. */
export type Part<P, F extends object, W> = Pick<Step<P, F, W>, 'do' | 'undo' | 'undoLate'>;

/**
 * One step of rows of parts: within a row one follows the other, and the rows go at once. Each row sees what its own parts
 * have found out, and none sees the others'. It is undone as a whole, since no record says how far each row came.
 */
export function atOnce<P, F extends object, W>(name: string, rows: Part<P, F, W>[][]): Step<P, F, W> {
  const parts = rows.flat();
  const backwards = rows.map((row) => row.toReversed());
  return {
    name,
    async do(context) {
      const found = await together(rows.map(async (row) => doRow(row, context)));
      return found.reduce<Partial<F>>((all, each) => ({ ...all, ...each }), {});
    },
    async undo(context) {
      await together(
        backwards.map(async (row) => {
          for (const part of row) await part.undo?.(context);
        }),
      );
    },
    async undoLate(context) {
      await together(parts.map(async (part) => part.undoLate?.(context)));
    },
  };
}

async function doRow<P, F extends object, W>(row: Part<P, F, W>[], context: StepContext<P, F, W>): Promise<Partial<F>> {
  let found: Partial<F> = {};
  for (const part of row) {
    const more = await part.do({ ...context, facts: { ...context.facts, ...found } });
    found = { ...found, ...more };
  }
  return found;
}
