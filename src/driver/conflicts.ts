import { setTimeout as pause } from 'node:timers/promises';
import type { Conflict } from '../contracts/node-journal.js';
import type { Attachment } from '../domain/attachment.js';
import type { Volume } from '../domain/volume.js';
import { firstOf } from '../domain/signals.js';
import { heldElsewhere } from './attachments.js';
import type { DriverContext } from './context.js';

/** A Mount that comes later than this after a refused one begins a new wait: nobody waited in between. */
const RETRY_NS = 60n * 1_000_000_000n;
const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;

type Parts = Pick<DriverContext, 'journal' | 'store'>;

/**
 * Waits for volumes that another node holds (`mountConflictDelay`). The clock is the monotonic one of this host and starts at
 * the first Mount that had to wait; it is kept in this node's journal, so that a retry continues it, and wall clocks have no
 * part in it (rule 43). Who waits holds no lock.
 */
export class Conflicts {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * True when the delay is over without a release: the volume may be taken over. False when the holder's record may have
   * changed, and has to be looked at again. @throws `busy` with the holder's name when the time of the Mount is up first
   */
  async isOver(volume: Volume, holder: Attachment, signal: AbortSignal): Promise<boolean> {
    const conflict = this.#continued(holder);
    const endNs = conflict.sinceNs + BigInt(volume.spec.mountConflictDelay) * NS_PER_SECOND;
    await this.#save(conflict);
    if (now() >= endNs) return true;
    await this.#untilChanged(holder, endNs, signal);
    await this.#save(conflict);
    if (signal.aborted) throw heldElsewhere(holder);
    return now() >= endNs;
  }

  async end(volume: string): Promise<void> {
    if (this.#parts.journal.findConflict(volume) !== undefined) await this.#parts.journal.removeConflict(volume);
  }

  /** Drops the waits that no retry can go on with. */
  async forgetOld(): Promise<void> {
    const { journal } = this.#parts;
    for (const { volume, lastNs } of journal.conflicts()) {
      // After a reboot the clock began anew, perhaps behind.
      if (journal.findConflict(volume) === undefined || now() - lastNs > RETRY_NS) await journal.removeConflict(volume);
    }
  }

  #continued({ volume, node, generation }: Attachment): Conflict {
    const known = this.#parts.journal.findConflict(volume);
    const isSame = known?.node === node && known.generation === generation && now() - known.lastNs < RETRY_NS;
    return isSame ? known : { volume, node, generation, sinceNs: now(), lastNs: now() };
  }

  async #save(conflict: Conflict): Promise<void> {
    await this.#parts.journal.saveConflict({ ...conflict, lastNs: now() });
  }

  /** Returns when the holder's record may have changed, at `endNs`, or when the signal fires. */
  async #untilChanged({ volume, node, generation }: Attachment, endNs: bigint, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const changed = new AbortController();
    const unwatch = store.watch('attachment', (key) => {
      if (key === undefined || key === volume) changed.abort();
    });
    try {
      // It may have changed between the caller's look and the watch.
      const found = await store.find('attachment', volume, signal);
      if (found?.node !== node || found.generation !== generation) return;
      const ms = Number((endNs - now()) / NS_PER_MS) + 1;
      await pause(Math.max(ms, 0), undefined, { signal: firstOf(signal, changed.signal) });
    } catch (thrown) {
      if (!signal.aborted && !changed.signal.aborted) throw thrown;
    } finally {
      unwatch();
    }
  }
}

const now = (): bigint => process.hrtime.bigint();
