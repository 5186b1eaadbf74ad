import path from 'node:path';
import type { MetadataStore } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { Override } from '../domain/override.js';
import type { Group } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import type { DriverContext } from './context.js';
import { groupKey, groupRecordKey } from './operations.js';

/** What the metadata say of one volume. */
export interface VolumeRecords {
  volume: Volume;
  attachment: Attachment | undefined;
  group: Group | undefined;
  /** An unfinished change, under way or waiting for an array. */
  operation: Operation | undefined;
  /** An operator's, in force. */
  override: Override | undefined;
  /** The metadata cannot be read now: this is what they said last, and the reason. */
  stale?: string;
}

/**
 * Reads for Get and List. An answer of the metadata is remembered, and given again, marked as stale, while they cannot be
 * read: dockerd would otherwise forget a volume that is merely out of sight.
 */
export class Inventory {
  readonly #ctx: DriverContext;
  readonly #seen = new Map<string, VolumeRecords>();
  /** `#seen` began as a whole list; a part of one would make volumes vanish from `docker volume ls`. */
  #isComplete = false;

  constructor(ctx: DriverContext) {
    this.#ctx = ctx;
  }

  /** @throws `not-found` only when that is certain, `unavailable` when nothing is known */
  async get(name: string, signal: AbortSignal): Promise<VolumeRecords> {
    const { store } = this.#ctx;
    try {
      const [volume, attachment, operation, override] = await Promise.all([
        store.find('volume', name, signal),
        store.find('attachment', name, signal),
        store.find('operation', name, signal),
        store.find('override', name, signal),
      ]);
      // A volume that is being created was never acknowledged: dockerd would take it for a finished one.
      if (volume !== undefined && volume.state !== 'creating')
        return this.#remember({ volume, attachment, operation, override, group: await this.#groupOf(volume, signal) });
    } catch (thrown) {
      const seen = this.#seen.get(name);
      if (seen !== undefined) return { ...seen, stale: asDriverError(thrown).message };
      throw thrown;
    }
    if (await this.#isMountedHere(name)) {
      throw new DriverError('unavailable', `volume ${name} is mounted on this node, but the metadata do not know it`, {
        next: 'see that this node talks to its own etcd (host_etcd_ip_address)',
      });
    }
    this.#seen.delete(name);
    throw new DriverError('not-found', `there is no volume ${name}`);
  }

  async list(signal: AbortSignal): Promise<VolumeRecords[]> {
    const { store } = this.#ctx;
    try {
      const [volumes, attachments, operations, overrides, groups] = await Promise.all([
        store.list('volume', signal),
        store.list('attachment', signal),
        store.list('operation', signal),
        store.list('override', signal),
        store.list('group', signal),
      ]);
      const holders = byVolume(attachments);
      const open = byVolume(operations);
      const inForce = byVolume(overrides);
      const byKey = new Map(groups.map((each) => [groupRecordKey(each.backend, each.name), each]));
      this.#seen.clear();
      this.#isComplete = true;
      const acknowledged = volumes.filter((volume) => volume.state !== 'creating');
      return acknowledged.map((volume) =>
        this.#remember({
          volume,
          attachment: holders.get(volume.name),
          operation: open.get(volume.name),
          override: inForce.get(volume.name),
          group: byKey.get(groupKeyOf(volume) ?? ''),
        }),
      );
    } catch (thrown) {
      if (!this.#isComplete) throw thrown;
      const stale = asDriverError(thrown).message;
      return [...this.#seen.values()].map((records) => ({ ...records, stale }));
    }
  }

  async #isMountedHere(name: string): Promise<boolean> {
    const { journal, filesystems, mountRoot } = this.#ctx;
    if (journal.findMount(name) !== undefined) return true;
    const target = path.join(mountRoot, name);
    return (await filesystems.mounts()).some((each) => each.target === target);
  }

  async #groupOf(volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
    const key = groupKeyOf(volume);
    return key === undefined ? undefined : this.#ctx.store.find('group', key, signal);
  }

  #remember(found: VolumeRecords): VolumeRecords {
    // An override for a volume of the same name that is gone says nothing of this one.
    const records = found.override?.volumeId === found.volume.id ? found : { ...found, override: undefined };
    this.#seen.set(records.volume.name, records);
    return records;
  }
}

const byVolume = <T extends { volume: string }>(records: T[]): Map<string, T> =>
  new Map(records.map((each) => [each.volume, each]));
/** @throws `not-found` */
export async function getVolume(store: MetadataStore, name: string, signal: AbortSignal): Promise<Volume> {
  const volume = await store.find('volume', name, signal);
  if (volume === undefined) throw new DriverError('not-found', `there is no volume ${name}`);
  return volume;
}

/** The volume's group; undefined when it is not replicated. @throws `internal` when its record is missing */
export async function getGroup(store: MetadataStore, volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
  const key = groupKeyOf(volume);
  if (key === undefined) return undefined;
  const group = await store.find('group', key, signal);
  if (group === undefined)
    throw new DriverError('internal', `the metadata have volume ${volume.name}, but not its group ${key}`);
  return group;
}

/** The volume's group, whose lock every change of a member needs. */
export function groupLocks(volume: Volume): string[] {
  const { backend, replicationGroup } = volume.spec;
  return replicationGroup === undefined ? [] : [groupKey(backend, replicationGroup)];
}

/** Record key of the volume's remote copy group. */
export function groupKeyOf(volume: Volume): string | undefined {
  const { backend, replicationGroup } = volume.spec;
  return replicationGroup === undefined ? undefined : groupRecordKey(backend, replicationGroup);
}
