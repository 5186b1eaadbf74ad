import type { PinStore } from '../contracts/array.js';
import type { StoredRecord } from '../contracts/archive.js';

export type PinRecord = StoredRecord<'pin'>;

/** Certificates of arrays while there are no metadata that remember any: those of a backup, and what is met now. */
export class PinsInMemory implements PinStore {
  readonly #known: Map<string, string>;
  readonly #met: PinRecord[] = [];

  constructor(known: readonly PinRecord[] = []) {
    this.#known = new Map(known.map(({ value }) => [value.peer, value.fingerprint]));
  }

  async find(peer: string): Promise<string | undefined> {
    return Promise.resolve(this.#known.get(peer));
  }

  async save(peer: string, fingerprint: string): Promise<void> {
    this.#known.set(peer, fingerprint);
    this.#met.push({ put: 'pin', key: peer, value: { peer, fingerprint } });
    return Promise.resolve();
  }

  /** What was met for the first time. */
  get records(): PinRecord[] {
    return this.#met;
  }
}
