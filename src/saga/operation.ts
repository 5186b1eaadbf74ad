/** Anything that survives JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };

/** What the steps found out so far. */
export type Facts = Record<string, Json | undefined>;

/** An unfinished multi-step change, written before its first effect and deleted with its last write. */
export interface Operation {
  id: string;
  /** Which saga knows how to go on. */
  kind: string;
  /** Raised when a release changes what `plan` or `facts` hold. */
  schema: 1;
  node: string;
  /** The Docker volume that it blocks. */
  volume: string;
  /** Lock keys that it needs. */
  keys: string[];
  plan: Json;
  facts: Facts;
  /** The step that may be under way; all before it are done, none after it has begun but such as only look. */
  next: number;
  phase: 'do' | 'undo';
  /** The step, undone by now, whose last call got no answer, so that the array may carry it out still. */
  unanswered?: number;
  /** Why it was turned back. */
  error?: string;
  startedAt: string;
}

// The type parameters below name what the caller knows and the compiler cannot.
/* oxlint-disable typescript/no-unnecessary-type-parameters, typescript/no-unsafe-type-assertion */

/** An operation's plan: our own record, written by the same kind of saga, so its shape is not checked again. */
export function planOf<P>(operation: Operation): P {
  return operation.plan as P;
}

/** What the steps of the same kind of saga have put there. */
export function factsOf<F extends object>(operation: Operation): F {
  return operation.facts as F;
}
/* oxlint-enable */
