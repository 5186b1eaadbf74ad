import { randomUUID } from 'node:crypto';
import type { NodeJournal, NodeMount } from '../contracts/node-journal.js';
import type { Apart } from '../domain/attachment.js';
import { withMountId, withoutMountId, type MountId } from '../domain/mount-ids.js';

/**
 * For so long a container may be between its Mount and its start, and be unknown to the kernel: after a new life of dockerd
 * (or ours) began, ids of the old one still count for this time, and an id that the kernel never shows counts no longer.
 */
const GRACE_MS = 5 * 60_000;

/** Who uses volumes on this node, by what dockerd said; the kernel's word on it is asked elsewhere. */
export class LocalUsers {
  readonly #journal: NodeJournal;
  readonly #working = new Map<string, Promise<unknown>>();
  /** A new life of dockerd makes the mount ids of the old one void. */
  #life: string = randomUUID();
  #since = performance.now();
  #lastChange: Promise<unknown> = Promise.resolve();
  /** Since when the kernel has shown no user of a volume that has ids. */
  readonly #unseenSince = new Map<string, number>();

  constructor(journal: NodeJournal) {
    this.#journal = journal;
  }

  /** dockerd has just started, or has found us for the first time. */
  beginLife(): void {
    this.#life = randomUUID();
    this.#since = performance.now();
  }

  mountId(id: string): Omit<MountId, 'count'> {
    return { id, life: this.#life };
  }

  /** One more user by that id; `mount` is what goes on record when nothing is yet. */
  async join(mount: Omit<NodeMount, 'ids'>, id: string): Promise<void> {
    const join = (ids: MountId[]): MountId[] => withMountId(ids, this.mountId(id));
    this.#unseenSince.delete(mount.volume);
    const known = await this.#change(mount.volume, (found) => ({ ...found, ids: join(found.ids) }));
    if (known === undefined) await this.#journal.saveMount({ ...mount, ids: join([]) });
  }

  /** One user by that id less; answers the mount as it is then, undefined when there is none. */
  async leave(volume: string, id: string): Promise<NodeMount | undefined> {
    return this.#change(volume, (mount) => ({ ...mount, ids: withoutMountId(mount.ids, id) }));
  }

  /** Other host entries than before; the users stay. */
  async noteExports(volume: string, hosts: Pick<NodeMount, 'host' | 'peer'>): Promise<void> {
    await this.#change(volume, (mount) => ({ ...mount, ...hosts }));
  }

  /** What is known of its two copies; undefined: they are together. */
  async noteApart(volume: string, apart: Apart | undefined): Promise<void> {
    await this.#change(volume, ({ apart: _before, ...mount }) => ({
      ...mount,
      ...(apart === undefined ? {} : { apart }),
    }));
  }

  /** A new mount: what the kernel said of an earlier one is void. */
  begin(volume: string): void {
    this.#unseenSince.delete(volume);
  }

  /** What the kernel says: an Unmount that was lost on its way leaves an id for which nobody will ever stop. */
  noteKernel(volume: string, isUsed: boolean): void {
    if (isUsed) this.#unseenSince.delete(volume);
    else if (!this.#unseenSince.has(volume)) this.#unseenSince.set(volume, performance.now());
  }

  /** Some container is on record as a user. */
  areThere(volume: string): boolean {
    const unseenSince = this.#unseenSince.get(volume) ?? Infinity;
    if (performance.now() - unseenSince > GRACE_MS) return false;
    const ids = this.#journal.findMount(volume)?.ids ?? [];
    const oldCounts = performance.now() - this.#since < GRACE_MS;
    return ids.some((each) => oldCounts || each.life === this.#life);
  }

  /**
   * Does one thing at a time with a volume's mount. Locks of the metadata do this between nodes, but an Unmount has to do
   * its host half when they are out of reach.
   */
  async exclusively<T>(volume: string, work: () => Promise<T>): Promise<T> {
    const before = this.#working.get(volume) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => undefined);
    this.#working.set(volume, settled);
    try {
      return await mine;
    } finally {
      if (this.#working.get(volume) === settled) this.#working.delete(volume);
    }
  }

  /** Unmounts of several containers come at once; one change at a time loses none. */
  async #change(volume: string, change: (mount: NodeMount) => NodeMount): Promise<NodeMount | undefined> {
    const mine = this.#lastChange.then(async () => {
      const mount = this.#journal.findMount(volume);
      if (mount === undefined) return undefined;
      const changed = change(mount);
      await this.#journal.saveMount(changed);
      return changed;
    });
    this.#lastChange = mine.catch(() => undefined);
    return mine;
  }
}
