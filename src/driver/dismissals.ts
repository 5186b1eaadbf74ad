import type { ReadBack, RemoteCopy } from '../contracts/array.js';
import { asDriverError, type DriverError } from '../domain/errors.js';
import { isMember } from './group-record.js';
import type { Seat } from './seat.js';

/** Those whom one cycle lets out of the group, and what is to be seen of it. */
export class Dismissals {
  readonly #remoteCopy: RemoteCopy;
  readonly #name: string;
  readonly #made: { seat: Seat; volume: string; readBack: ReadBack<void> }[] = [];
  #shown: Promise<void> | undefined;
  /** Those whose dismissal was acknowledged, and who are not seen to be out in the end. */
  readonly missing = new Map<Seat, DriverError>();

  /** @param name as the array calls the group */
  constructor(remoteCopy: RemoteCopy, name: string) {
    this.#remoteCopy = remoteCopy;
    this.#name = name;
  }

  /** What is not acknowledged is looked into at once (rule 39). @throws when the volume is a member still */
  async dismiss(seat: Seat, volume: string, signal: AbortSignal): Promise<void> {
    const readBack = await this.#remoteCopy.dismiss(this.#name, volume, signal).catch(async (thrown: unknown) => {
      // Whoever has left cannot come back without a full copy, so an error after the deed must not turn back.
      const left = await this.#remoteCopy.findGroup(this.#name, signal).catch(() => {
        // Nor must one that may still be carried out.
        throw thrown;
      });
      if (isMember(left, volume)) throw thrown;
      return async () => Promise.resolve();
    });
    this.#made.push({ seat, volume, readBack });
  }

  /** None of the group waits any more for what their holders do next. */
  tellMade(): void {
    for (const { seat } of this.#made) seat.succeed();
  }

  /**
   * All at once, and once (rule 31); who is still shown, or cannot be seen, is looked at again for a moment. Never throws.
   * Returns whether there was anybody to be seen.
   */
  async readBack(signal: AbortSignal): Promise<boolean> {
    this.#shown ??= this.#made.length === 0 ? Promise.resolve() : this.#show(signal);
    await this.#shown;
    return this.#made.length > 0;
  }

  async #show(signal: AbortSignal): Promise<void> {
    const found = await this.#remoteCopy.findGroup(this.#name, signal).then(
      (group) => ({ group }),
      () => undefined,
    );
    await Promise.all(
      this.#made.map(async ({ seat, volume, readBack }) => {
        try {
          if (found === undefined || isMember(found.group, volume)) await readBack();
          seat.showDismissed();
        } catch (thrown) {
          const failure = asDriverError(thrown);
          this.missing.set(seat, failure);
          seat.fail(failure);
        }
      }),
    );
  }
}
