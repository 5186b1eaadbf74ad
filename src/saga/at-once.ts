import { together } from '../domain/together.js';
import type { Step } from './saga.js';

/** A part of a step that is done beside others. */
export type Part<P, F extends object, W> = Pick<Step<P, F, W>, 'do' | 'undo' | 'undoLate'>;

/**
 * One step of parts that go at once, so none sees what the others find out, and no record says how far each came: it is undone
 * as a whole. What an undo has to know belongs into an earlier step (invariant 3 of the saga).
 */
export function atOnce<P, F extends object, W>(name: string, parts: Part<P, F, W>[]): Step<P, F, W> {
  return {
    name,
    async do(context) {
      const found = await together(parts.map(async (part) => part.do?.(context)));
      return found.reduce<Partial<F>>((all, each) => ({ ...all, ...each }), {});
    },
    async undo(context) {
      await together(parts.map(async (part) => part.undo?.(context)));
    },
    async undoLate(context) {
      await together(parts.map(async (part) => part.undoLate?.(context)));
    },
  };
}
