import type { Stack } from './stack.js';

/** What a step shows for itself. */
export type Evidence = Record<string, string | number | boolean>;

/** Does one step of a story and tells it. @throws when its proof fails */
export type Tell = (step: { name: string; text: string }, work: () => Promise<Evidence>) => Promise<void>;

/** A story that the demo tells and that a test goes through. */
export interface Story {
  volume: string;
  container: string;
  /** Options of the stack that it needs. */
  ownEngine?: boolean;
  tell(stack: Stack, step: Tell): Promise<void>;
}

export function expect(condition: boolean, complaint: string): void {
  if (!condition) throw new Error(complaint);
}

/** The role in what `showrcopy groups` prints for one group. */
export const roleIn = (groups: string): string =>
  /Primary-Rev|Secondary-Rev|Primary|Secondary/.exec(groups)?.[0] ?? groups;
