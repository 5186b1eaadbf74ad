import path from 'node:path';
import type { NodeMount } from '../contracts/node-journal.js';
import type { MetadataStore } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { Group } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import { groupKeyOf } from './keys.js';
import { findGroup } from './known.js';
import { shownMountpoint, type VolumeRecords, type VolumeView } from './view.js';

/** A volume as `docker volume ls` shows it. */
export type ListedVolume = Pick<VolumeView, 'name' | 'mountpoint'>;

/** The key of no record. */
const NO_GROUP = '';

/**
 * Reads for Get and List. While the metadata cannot be read they answer what these said last, marked as stale: dockerd would
 * otherwise forget a volume that is merely out of sight.
 */
export class Inventory {
  readonly #ctx: DriverContext;

  constructor(ctx: DriverContext) {
    this.#ctx = ctx;
  }

  /** @throws `not-found` only when that is certain, `unavailable` when nothing is known */
  async get(name: string, signal: AbortSignal): Promise<VolumeRecords> {
    const { store, lastSeen } = this.#ctx;
    try {
      // Asked for at once, when what was last seen of the volume names its group.
      const likely = lastSeen?.groupKey(name) ?? NO_GROUP;
      const wanted = [
        ['volume', name],
        ['attachment', name],
        ['operation', name],
        ['override', name],
        ['group', likely],
      ] as const;
      const [volume, attachment, operation, override, ofLikely] = await store.findAll(wanted, signal);
      // A volume that is being created was never acknowledged: dockerd would take it for a finished one.
      if (volume !== undefined && volume.state !== 'creating') {
        const group = groupKeyOf(volume) === likely ? ofLikely : await findGroup(store, volume, signal);
        lastSeen?.note({ volume, attachment, group });
        // An override for a volume of the same name that is gone says nothing of this one.
        const inForce = override?.volumeId === volume.id ? override : undefined;
        return { volume, attachment, group, operation, override: inForce };
      }
    } catch (thrown) {
      const seen = await lastSeen?.find(name);
      if (seen === undefined) throw thrown;
      return { ...seen, operation: undefined, override: undefined, stale: asDriverError(thrown).message };
    }
    if (await this.#isMountedHere(name)) {
      throw new DriverError('unavailable', `volume ${name} is mounted on this node, but the metadata do not know it`, {
        next: 'see that this node talks to its own etcd (host_etcd_ip_address)',
      });
    }
    throw noVolume(name);
  }

  /** Without the records of each: with many volumes they are far more than what is shown. */
  async list(signal: AbortSignal): Promise<ListedVolume[]> {
    const { store, journal, lastSeen } = this.#ctx;
    const mounts = journal.mounts();
    try {
      const names = await this.#acknowledged(signal);
      const wanted = mounts.map(({ volume }) => ['attachment', volume] as const);
      const attachments = await store.findAll(wanted, signal);
      lastSeen?.noteNames(names);
      return this.#shown(names, new Map(mounts.map((mount, at) => [mount, { attachment: attachments[at] }])));
    } catch (thrown) {
      const names = await lastSeen?.names();
      if (names === undefined) throw thrown;
      const stale = asDriverError(thrown).message;
      const attachments = await Promise.all(
        mounts.map(async ({ volume }) => (await lastSeen?.find(volume))?.attachment),
      );
      return this.#shown(names, new Map(mounts.map((mount, at) => [mount, { attachment: attachments[at], stale }])));
    }
  }

  /** A volume that is being created was not acknowledged yet. Its operation is open from its first record to the last. */
  async #acknowledged(signal: AbortSignal): Promise<string[]> {
    const { store } = this.#ctx;
    const names = await store.keys('volume', signal);
    // Read after the names: of a name that is there now and has no operation then, the creation is done, or undone just now.
    const open = await store.keys('operation', signal);
    const wanted = open.map((name) => ['volume', name] as const);
    const volumes = await store.findAll(wanted, signal);
    // One that is gone by now was undone, or removed.
    const hidden = new Set(open.filter((_name, at) => (volumes[at]?.state ?? 'creating') === 'creating'));
    return hidden.size === 0 ? names : names.filter((name) => !hidden.has(name));
  }

  #shown(names: string[], mounts: Map<NodeMount, Pick<VolumeRecords, 'attachment' | 'stale'>>): ListedVolume[] {
    const { id } = this.#ctx.node;
    const mountpoints = new Map([...mounts].map(([mount, known]) => [mount.volume, shownMountpoint(id, mount, known)]));
    return names.map((name) => ({ name, mountpoint: mountpoints.get(name) ?? '' }));
  }

  async #isMountedHere(name: string): Promise<boolean> {
    const { journal, filesystems, mountRoot } = this.#ctx;
    if (journal.findMount(name) !== undefined) return true;
    const target = path.join(mountRoot, name);
    return (await filesystems.mounts()).some((each) => each.target === target);
  }
}

/** @throws `not-found` */
export async function getVolume(store: MetadataStore, name: string, signal: AbortSignal): Promise<Volume> {
  const volume = await store.find('volume', name, signal);
  if (volume === undefined) throw noVolume(name);
  return volume;
}

export const noVolume = (name: string): DriverError =>
  new DriverError('not-found', `there is no volume ${name}`, { next: 'docker volume ls shows the names' });

/** The volume's group; undefined when it is not replicated. @throws `internal` when its record is missing */
export async function getGroup(store: MetadataStore, volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
  const group = await findGroup(store, volume, signal);
  refuseMissingGroup(volume, group);
  return group;
}

/** @throws `internal` when the volume is in a group that is not on record */
export function refuseMissingGroup(volume: Volume, group: Group | undefined): void {
  const key = groupKeyOf(volume);
  if (key === undefined || group !== undefined) return;
  throw new DriverError('internal', `the metadata have volume ${volume.name}, but not its group ${key}`);
}
