import { DriverError } from '../domain/errors.js';
import type { Place } from '../domain/place.js';
import type { SeenGroup } from './seen-group.js';

/** What a volume wants of its group. `check` refuses by what was seen under the group's lock, just before the change. */
export type GroupChange =
  | Admission
  | Dismissal
  /** The volume stays a member; what is done needs the group stopped. */
  | { kind: 'grow'; volume: string; check(seen: SeenGroup): void; grow(signal: AbortSignal): Promise<void> }
  /** No change: only that the group gets the state that it is owed, or goes when it is empty. */
  | { kind: 'tidy'; emptyMayGo: boolean };

export interface Admission {
  kind: 'admit';
  volume: string;
  /** A group that is made for it gets its CPGs. */
  place: Place;
  /** Of its CPG on the primary array, where that was looked up. */
  domain?: { name?: string } | undefined;
  /** Nobody has ever written to it, so there is nothing to be copied. */
  isBlank: boolean;
  check(seen: SeenGroup): void;
}

export interface Dismissal {
  kind: 'dismiss';
  volume: string;
  check(seen: SeenGroup): void;
  emptyMayGo: boolean;
  /** The array may have made the group for us, after we had given up: then it goes when it is still as new. */
  mayHaveMadeIt?: boolean;
}

/** Those after which an empty group may go. */
export const isOutOrTidy = (
  change: GroupChange | undefined,
): change is Extract<GroupChange, { kind: 'dismiss' | 'tidy' }> =>
  change?.kind === 'dismiss' || change?.kind === 'tidy';

/**
 * A volume's place in a cycle of its group. It opens when the group is locked and was looked at; then its holder plans,
 * and either takes part or leaves. The cycle waits for those aboard until each has done so, or for some seconds.
 */
export class Seat {
  readonly #opened = new Answer<SeenGroup>();
  readonly #changed = new Answer<void>();
  readonly #dismissed = new Answer<void>();
  readonly #restored = new Answer<void>();
  readonly #over = new Answer<DriverError | undefined>();
  readonly #stirred: (seat: Seat) => void;
  #change: GroupChange | undefined;
  #signal: AbortSignal | undefined;
  #isLeft = false;
  #isBegun = false;
  #isOver = false;

  /** @param stirred told when the holder takes part or leaves */
  constructor(stirred: (seat: Seat) => void) {
    this.#stirred = stirred;
  }

  /** What was seen under the group's lock, once it is this seat's turn. @throws `busy` when the lock could not be had */
  get opened(): Promise<SeenGroup> {
    return this.#opened.promise;
  }

  /**
   * Takes part. Returns when the array has acknowledged the change; the group may still be stopped then. A dismissal is answered when
   * all of its cycle are made and the group is on its way to its own state: whoever then deletes the volume keeps no member waiting.
   * @throws why it was not made
   */
  async take(change: GroupChange, signal: AbortSignal): Promise<void> {
    if (this.#isLeft) throw new DriverError('internal', 'a seat that was left cannot be taken');
    this.#change = change;
    this.#signal = signal;
    this.#stirred(this);
    return this.#changed.promise;
  }

  /** Resolves when the array shows that the volume is no member any more. @throws why that is not certain */
  get dismissed(): Promise<void> {
    return this.#dismissed.promise;
  }

  /** Resolves when the group is as it is to be, or with the reason why it is not. Never rejects. */
  get over(): Promise<DriverError | undefined> {
    return this.#over.promise;
  }

  /** Resolves when the group's start was acknowledged, or none is to come: the array has time for other questions then. */
  get restored(): Promise<void> {
    return this.#restored.promise;
  }

  /** False only when the array was certainly not asked for the change. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Takes no part, or no further one; may be called at any time. */
  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#stirred(this);
  }

  // What follows is for the cycle.

  /** What the holder wants; nothing before it takes part. */
  get change(): GroupChange | undefined {
    return this.#change;
  }

  /** There is nothing to wait for. */
  get isSettled(): boolean {
    return this.#isLeft || this.#change !== undefined;
  }

  /** It takes part, and its cycle has still to come. */
  get isPending(): boolean {
    return this.#change !== undefined && !this.#isOver;
  }

  /** From here on the change may have been made, whatever comes of it. @throws the reason why the holder does not want it any more */
  begin(): void {
    this.#signal?.throwIfAborted();
    this.#isBegun = true;
  }

  open(seen: SeenGroup): void {
    this.#opened.resolve(seen);
  }

  /** The group cannot be locked or looked at. */
  refuse(failure: DriverError): void {
    this.#opened.reject(failure);
    this.fail(failure);
    this.end(failure);
  }

  succeed(): void {
    this.#changed.resolve();
  }

  /** Nothing, when it has succeeded or failed before. */
  fail(failure: DriverError): void {
    this.#changed.reject(failure);
    this.#dismissed.reject(failure);
  }

  showDismissed(): void {
    this.#dismissed.resolve();
  }

  restore(): void {
    this.#restored.resolve();
  }

  end(failure: DriverError | undefined): void {
    this.#restored.resolve();
    if (failure === undefined) this.#dismissed.resolve();
    else this.#dismissed.reject(failure);
    this.#isOver = true;
    this.#over.resolve(failure);
  }
}

/** A promise that is settled from outside, once; nobody has to wait for it. */
class Answer<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (failure: DriverError) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => undefined);
  }
}
