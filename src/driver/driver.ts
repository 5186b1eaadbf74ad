import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { StatusPoll } from '../backend/status-poll.js';
import type { Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { checkVolumeName } from '../domain/names.js';
import { parseVolumeOptions } from '../domain/options.js';
import type { Group } from '../domain/replication.js';
import { specDifferences, type Volume, type VolumeSpec } from '../domain/volume.js';
import { heldElsewhere, type Attachments } from './attachments.js';
import type { DriverContext } from './context.js';
import { checkReplicationOption, createSaga, planCreate } from './create.js';
import { groupKeyOf, Inventory, type VolumeRecords } from './inventory.js';
import { attachmentOf, mountSaga } from './mount.js';
import { groupKey, groupRecordKey, type Operations } from './operations.js';
import { planMount } from './plan-mount.js';
import { planRemove, removeSaga } from './remove.js';
import { viewOf, type VolumeView } from './view.js';

/** How often a Mount looks whether another node has released the volume. */
const CONFLICT_POLL_MS = 500;

/**
 * The Docker verbs. They throw DriverError only. `get` and `list` throw `not-found` only when that is certain and
 * `unavailable` when nothing is known, in which case dockerd must not get an answer.
 */
export interface VolumeDriver {
  create(name: string, options: Record<string, string>, signal: AbortSignal): Promise<void>;
  remove(name: string, signal: AbortSignal): Promise<void>;
  /** Returns the directory that containers bind. */
  mount(name: string, id: string, signal: AbortSignal): Promise<string>;
  unmount(name: string, id: string, signal: AbortSignal): Promise<void>;
  path(name: string, signal: AbortSignal): Promise<string>;
  get(name: string, signal: AbortSignal): Promise<VolumeView>;
  list(signal: AbortSignal): Promise<VolumeView[]>;
  /** dockerd asked who we are: a new life of it began. */
  activated(): void;
}

export class DockerDriver implements VolumeDriver {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #inventory: Inventory;
  readonly #poll: StatusPoll;
  readonly #attachments: Attachments;
  /** Which life of dockerd we serve; a new one makes the mount ids of the old one void. */
  #life: string = randomUUID();

  constructor(ctx: DriverContext, parts: { operations: Operations; attachments: Attachments; poll: StatusPoll }) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
    this.#poll = parts.poll;
    this.#inventory = new Inventory(ctx);
  }

  activated(): void {
    this.#life = randomUUID();
  }

  async create(name: string, options: Record<string, string>, signal: AbortSignal): Promise<void> {
    checkVolumeName(name);
    const spec = parseVolumeOptions(options);
    const backend = this.#ctx.backends.get(spec.backend);
    checkReplicationOption(backend, spec);
    const group = spec.replicationGroup;
    const keys = group === undefined ? [] : [groupKey(backend.name, group)];
    await this.#operations.withVolume({ volume: name, keys }, signal, async (held) => {
      const { store } = this.#ctx;
      const existing = await store.find('volume', name, held.signal);
      if (existing !== undefined) {
        refuseDifferent(existing, spec);
        return;
      }
      const groupRecord =
        group === undefined ? undefined : await store.find('group', groupRecordKey(backend.name, group), held.signal);
      const plan = await planCreate(backend, { name, spec, groupRecord }, held.signal);
      const claim: Write[] = [{ put: 'volume', key: name, value: plan.volume }];
      await held.run(createSaga(backend, plan), { plan, volume: name, claim });
    });
    if (group !== undefined) this.#poll.refresh();
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    const seen = await this.#ctx.store.find('volume', name, signal);
    if (seen === undefined) return;
    await this.#operations.withVolume({ volume: name, keys: groupLocks(seen) }, signal, async (held) => {
      const { store, backends } = this.#ctx;
      const volume = await store.find('volume', name, held.signal);
      if (volume === undefined) return;
      const backend = backends.get(volume.spec.backend);
      await this.#attachments.releaseForRemoval(held, { volume, backend });
      const group = await this.#groupOf(volume, held.signal);
      const plan = await planRemove(backend, { volume, group }, held.signal);
      const claim: Write[] = [{ put: 'volume', key: name, value: { ...volume, state: 'deleting' } }];
      await held.run(removeSaga(backend, plan), { plan, volume: name, claim });
    });
  }

  async mount(name: string, id: string, signal: AbortSignal): Promise<string> {
    const patience = Date.now();
    for (;;) {
      const seen = await this.#getVolume(name, signal);
      const owner = await this.#ctx.store.find('attachment', name, signal);
      const elsewhere = owner !== undefined && owner.node !== this.#ctx.node.id;
      if (!elsewhere) return this.#mountHere(seen, id, signal);
      if (Date.now() - patience > seen.spec.mountConflictDelay * 1000) throw heldElsewhere(owner);
      await pause(CONFLICT_POLL_MS, undefined, { signal });
    }
  }

  async unmount(name: string, id: string, signal: AbortSignal): Promise<void> {
    await this.#attachments.unmount(name, id, signal);
  }

  async path(name: string, signal: AbortSignal): Promise<string> {
    return (await this.get(name, signal)).mountpoint;
  }

  async get(name: string, signal: AbortSignal): Promise<VolumeView> {
    return this.#view(await this.#inventory.get(name, signal));
  }

  async list(signal: AbortSignal): Promise<VolumeView[]> {
    return (await this.#inventory.list(signal)).map((records) => this.#view(records));
  }

  #view(records: VolumeRecords): VolumeView {
    const { backends, journal } = this.#ctx;
    const { volume, group } = records;
    return viewOf({
      records,
      mount: journal.findMount(volume.name),
      backend: backends.find(volume.spec.backend),
      polled: group === undefined ? undefined : this.#poll.find(group),
    });
  }

  async #mountHere(seen: Volume, id: string, signal: AbortSignal): Promise<string> {
    const { name } = seen;
    return this.#operations.withVolume({ volume: name, keys: groupLocks(seen) }, signal, async (held) => {
      const volume = await this.#getVolume(name, held.signal);
      const backend = this.#ctx.backends.get(volume.spec.backend);
      const group = await this.#groupOf(volume, held.signal);
      const attachments = await this.#attachments.related(volume, held.signal);
      const own = attachments.find((each) => each.volume === name);
      if (own !== undefined && own.node !== this.#ctx.node.id) throw heldElsewhere(own);
      if (own !== undefined) {
        const mountId = { id, life: this.#life };
        const joined = await this.#attachments.join(held, { volume, backend, group, attachment: own, mountId });
        if (joined !== undefined) return joined;
        await this.#attachments.detach(held, { volume, backend, attachment: own });
      }
      const { node, mountRoot, logger } = this.#ctx;
      const plan = await planMount(
        backend,
        {
          volume,
          group,
          node,
          mountId: { id, life: this.#life },
          initiators: await this.#ctx.connector(backend).initiators(held.signal),
          mountpoint: join(mountRoot, name),
          attachments,
        },
        held.signal,
      );
      if (plan.warning !== undefined) logger.warn(plan.warning, { volume: name });
      const claim: Write[] = [{ put: 'attachment', key: name, value: attachmentOf(this.#ctx, plan, {}) }];
      await held.run(mountSaga(this.#ctx, backend, plan), { plan, volume: name, claim });
      if (group !== undefined) this.#poll.refresh();
      return plan.mountpoint;
    });
  }

  async #getVolume(name: string, signal: AbortSignal): Promise<Volume> {
    const volume = await this.#ctx.store.find('volume', name, signal);
    if (volume === undefined) throw new DriverError('not-found', `there is no volume ${name}`);
    return volume;
  }

  async #groupOf(volume: Volume, signal: AbortSignal): Promise<Group | undefined> {
    const key = groupKeyOf(volume);
    if (key === undefined) return undefined;
    const group = await this.#ctx.store.find('group', key, signal);
    if (group === undefined)
      throw new DriverError('internal', `the metadata have volume ${volume.name}, but not its group ${key}`);
    return group;
  }
}

function refuseDifferent(existing: Volume, wanted: VolumeSpec): void {
  const differences = specDifferences(wanted, existing.spec);
  if (differences.length === 0) return;
  throw new DriverError(
    'exists',
    `volume ${existing.name} exists already with other options (${differences.join('; ')})`,
    {
      next: 'use it as it is, or choose another name',
    },
  );
}

/** The volume's group, whose lock every change of a member needs. */
function groupLocks(volume: Volume): string[] {
  const { backend, replicationGroup } = volume.spec;
  return replicationGroup === undefined ? [] : [groupKey(backend, replicationGroup)];
}
