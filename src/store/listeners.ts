import type { RecordKind } from '../contracts/store.js';

type Listener = (key: string | undefined) => void;

/** Who wants to hear of changes, for each kind of record. */
export class Listeners {
  readonly #ofKind = new Map<RecordKind, Set<{ listener: Listener }>>();

  /** Returns the way to hear no more. */
  add(kind: RecordKind, listener: Listener): () => void {
    const all = this.#ofKind.get(kind) ?? new Set();
    this.#ofKind.set(kind, all);
    const entry = { listener };
    all.add(entry);
    return () => {
      all.delete(entry);
      if (all.size === 0 && this.#ofKind.get(kind) === all) this.#ofKind.delete(kind);
    };
  }

  has(kind: RecordKind): boolean {
    return this.#ofKind.has(kind);
  }

  /** Tells them in a moment, so that what they do is no part of the caller's work. */
  tell(kind: RecordKind, key: string | undefined): void {
    const all = this.#ofKind.get(kind);
    for (const entry of all ?? []) {
      queueMicrotask(() => {
        if (all?.has(entry) === true) entry.listener(key);
      });
    }
  }
}
