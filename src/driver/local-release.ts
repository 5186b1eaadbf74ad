import { setTimeout as pause } from 'node:timers/promises';
import type { DeviceUse, HostConnector } from '../contracts/host.js';
import type { NodeMount } from '../contracts/node-journal.js';
import { isOwnMount, type Attachment, type BlockDevice } from '../domain/attachment.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { DriverContext } from './context.js';
import type { LocalUsers } from './local-users.js';

/** Whoever uses a device for less than this does not keep it attached. */
const PASSING_USE_MS = 3_000;
const USE_POLL_MS = 200;

/**
 * The host half of an attachment, without the arrays and the metadata: what is left of it here when another node took the
 * volume over, and what is done of it while the metadata are out of reach.
 */
export class LocalRelease {
  readonly #ctx: DriverContext;
  readonly #users: LocalUsers;
  /** Volumes whose loss was told already. */
  readonly #told = new Set<string>();

  constructor(ctx: DriverContext, users: LocalUsers) {
    this.#ctx = ctx;
    this.#users = users;
  }

  /**
   * Cleans up what is mounted or attached here of a volume that the metadata say is not this node's any more; nothing to be
   * done is success. What containers here still hold stays until they stop (rule 24). @throws `fenced` while something uses it
   */
  async releaseRobbed(volume: string, signal: AbortSignal): Promise<void> {
    const { journal, node } = this.#ctx;
    if (journal.findMount(volume) === undefined) return;
    await this.#users.exclusively(volume, async () => {
      const attachment = await this.#ctx.store.find('attachment', volume, signal);
      const mount = journal.findMount(volume);
      if (mount === undefined || isOwnMount(node.id, mount, attachment)) return;
      this.#tell(mount, attachment);
      const users = await this.lastingUsersOf(mount, signal);
      if (users.length > 0) throw fenced(mount, attachment, describeUsers(users));
      await this.#release(mount, signal).catch((thrown: unknown) => {
        const cause = asDriverError(thrown);
        throw cause.code === 'busy' ? fenced(mount, attachment, cause.message) : cause;
      });
      await journal.removeMount(volume);
      this.#told.delete(volume);
      this.#ctx.logger.warn('fenced: this node has cleaned up its side of a volume that it lost', { volume });
    });
  }

  /** Unmounts and detaches what nobody uses any more, and leaves the record for the time when the metadata can be read. */
  async releaseForLater(volume: string, signal: AbortSignal): Promise<void> {
    await this.#users.exclusively(volume, async () => {
      const mount = this.#ctx.journal.findMount(volume);
      // A Mount may have come in between.
      if (mount === undefined || mount.ids.length > 0) return;
      signal.throwIfAborted();
      if ((await this.usersOf(mount, signal)).length === 0) await this.#release(mount, signal);
    });
  }

  /** Any container that starts holds a copy of every mount for a moment, before it has its own root. */
  async lastingUsersOf(mount: AttachedHere, signal: AbortSignal): Promise<DeviceUse[]> {
    const end = performance.now() + PASSING_USE_MS;
    for (;;) {
      const users = await this.usersOf(mount, signal);
      if (users.length === 0 || performance.now() > end) return users;
      await pause(USE_POLL_MS, undefined, { signal });
    }
  }

  /** Who uses the device now, besides our own mount of it. */
  async usersOf(mount: AttachedHere, signal: AbortSignal): Promise<DeviceUse[]> {
    const device = await this.#findDevice(mount, signal);
    return device === undefined ? [] : this.#ctx.filesystems.usersElsewhere(device, mount.mountpoint);
  }

  /**
   * What is mounted in our place comes first: a map may have got another name since, and a volume several devices. Otherwise
   * only the WWN says whose a device is: after a reboot the name on record may be another volume's.
   */
  async #findDevice(mount: AttachedHere, signal: AbortSignal): Promise<BlockDevice | undefined> {
    const { backend, wwn, device, mountpoint } = mount;
    const there = await this.#connector(backend).find(wwn, signal);
    if (device === undefined || there?.path === device.path) return there;
    const entries = await this.#ctx.filesystems.mounts();
    return entries.some(({ target, source }) => target === mountpoint && source === device.path) ? device : undefined;
  }

  async #release(mount: NodeMount, signal: AbortSignal): Promise<void> {
    const device = await this.#findDevice(mount, signal);
    if (device !== undefined) await this.#ctx.filesystems.unmount(device, mount.mountpoint, signal);
    await this.#connector(mount.backend).detach(mount.wwn, signal);
  }

  #connector(backend: string): HostConnector {
    return this.#ctx.connector(this.#ctx.backends.get(backend));
  }

  #tell(mount: NodeMount, attachment: Attachment | undefined): void {
    if (this.#told.has(mount.volume)) return;
    this.#told.add(mount.volume);
    this.#ctx.logger.error(`fenced: ${lost(mount, attachment)}; nothing of it is changed on the arrays from here`, {
      volume: mount.volume,
    });
  }
}

/** What has to be known to find a device of ours. */
export type AttachedHere = Pick<NodeMount, 'backend' | 'wwn' | 'device' | 'mountpoint'>;

function lost({ volume }: NodeMount, attachment: Attachment | undefined): string {
  const how = attachment === undefined ? 'no node holds it now' : `node ${attachment.nodeName} holds it now`;
  return `volume ${volume} was taken from this node, ${how}`;
}

function fenced(mount: NodeMount, attachment: Attachment | undefined, use: string): DriverError {
  return new DriverError(
    'fenced',
    `fenced: ${lost(mount, attachment)}; the device here is cut off from the array, what is written to it is lost, and it is still in use (${use})`,
    { next: `stop the containers that use ${mount.volume} on this node, then try again` },
  );
}

export const describeUsers = (users: DeviceUse[]): string =>
  users.map((user) => `pid ${user.pid} (${user.target})`).join(', ');
