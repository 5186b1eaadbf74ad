import type { Backend } from '../backend/backend.js';
import type { StatusPoll } from '../backend/status-poll.js';
import type { Write } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import { checkVolumeName } from '../domain/names.js';
import { parseVolumeOptions } from '../domain/options.js';
import { specDifferences, type Volume, type VolumeSpec } from '../domain/volume.js';
import type { Attachments } from './attachments.js';
import type { DriverContext } from './context.js';
import { createSaga } from './create.js';
import { createClone } from './create-clone.js';
import { createImport } from './create-import.js';
import { createSnapshot } from './create-snapshot.js';
import { keptPlain } from './delete-step.js';
import { refuseDifferences } from './existing.js';
import { explain } from './help.js';
import { Inventory, refuseMissingGroup, type ListedVolume } from './inventory.js';
import type { Entrance } from './join-group.js';
import { groupKeyOf } from './keys.js';
import { Mounts, type MountParts } from './mounts.js';
import type { Held, Operations } from './operations.js';
import { checkReplicationOption, planCreate } from './plan-create.js';
import {
  isFresh,
  lookAtRemovable,
  planPlainRemove,
  planRemove,
  refuseDependants,
  type Removable,
  type RemovePlan,
} from './plan-remove.js';
import { removeSaga, type RemoveDoor } from './remove.js';
import { viewOf, viewOfMount, type VolumeRecords, type VolumeView } from './view.js';

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
  list(signal: AbortSignal): Promise<ListedVolume[]>;
  /** dockerd asked who we are: a new life of it began. */
  activated(): void;
}

export class DockerDriver implements VolumeDriver {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #inventory: Inventory;
  readonly #poll: StatusPoll;
  readonly #attachments: Attachments;
  readonly #mounts: Mounts;

  constructor(ctx: DriverContext, parts: MountParts) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
    this.#poll = parts.poll;
    this.#inventory = new Inventory(ctx);
    this.#mounts = new Mounts(ctx, parts);
  }

  activated(): void {
    this.#attachments.users.beginLife();
  }

  async create(name: string, options: Record<string, string>, signal: AbortSignal): Promise<void> {
    checkVolumeName(name);
    const request = parseVolumeOptions(options);
    switch (request.kind) {
      case 'new':
        return this.#createNew(name, request.spec, signal);
      case 'snapshot':
        return createSnapshot({ ctx: this.#ctx, operations: this.#operations }, { name, request }, signal);
      case 'clone':
        return createClone({ ctx: this.#ctx, operations: this.#operations }, { name, request }, signal);
      case 'import':
        return createImport({ ctx: this.#ctx, operations: this.#operations }, { name, request }, signal);
      case 'help':
        throw explain(request.topic, this.#ctx.backends);
    }
  }

  async #createNew(name: string, spec: VolumeSpec, signal: AbortSignal): Promise<void> {
    const backend = this.#ctx.backends.get(spec.backend);
    checkReplicationOption(backend, spec);
    if (spec.mountConflictDelay >= this.#ctx.mountSeconds) {
      const { mountSeconds } = this.#ctx;
      this.#ctx.logger.warn(
        `mountConflictDelay ${spec.mountConflictDelay} s does not fit the ${mountSeconds} s that a Mount may take here: it ends first`,
        { volume: name },
      );
    }
    const on = { volume: name, keys: [], group: { likely: groupKeyOf({ spec }) } };
    await this.#operations.withVolume(on, signal, async (held, { volume: existing, group }) => {
      if (existing !== undefined) refuseDifferences(name, differencesOf(existing, spec));
      else await this.#createUnder(held, backend, { name, spec, isNew: group === undefined });
    });
    if (spec.replicationGroup !== undefined) this.#poll.refresh();
  }

  /** @param wanted `isNew`: nobody of ours is, or was, in its group */
  async #createUnder(
    held: Held,
    backend: Backend,
    { isNew, ...wanted }: { name: string; spec: VolumeSpec; isNew: boolean },
  ): Promise<void> {
    const { groups } = this.#ctx;
    const create = async (entrance?: Entrance): Promise<void> => {
      const plan = await planCreate(backend, { ...wanted, look: entrance?.look }, held.signal);
      const claim: Write[] = [{ put: 'volume', key: wanted.name, value: plan.volume }];
      const door = entrance === undefined ? { groups } : { groups, entrance };
      await held.run(createSaga(backend, plan, door), { plan, volume: wanted.name, claim });
    };
    const name = wanted.spec.replicationGroup;
    if (name === undefined) return create();
    return groups.withPlace({ backend, name }, held.signal, async (seat, look) => create({ seat, look, isNew }));
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    // What was seen last need not be asked for; under the lock everything is.
    let likely = this.#ctx.lastSeen?.groupKey(name);
    if (likely === undefined) {
      const seen = await this.#ctx.store.find('volume', name, signal);
      if (seen === undefined) return;
      likely = groupKeyOf(seen);
    }
    const on = { volume: name, keys: [], group: { likely } };
    await this.#operations.withVolume(on, signal, async (held, { volume, group, attachment }) => {
      const { store, backends } = this.#ctx;
      if (volume === undefined) return;
      const backend = backends.get(volume.spec.backend);
      refuseMissingGroup(volume, group);
      if (attachment !== undefined) {
        // What cannot be removed is not detached.
        await refuseDependants({ store, backend }, volume, held.signal);
        await this.#attachments.releaseForRemoval(held, { volume, backend });
      }
      await this.#removeUnder(held, backend, volume);
    });
  }

  async #removeUnder(held: Held, backend: Backend, volume: Volume): Promise<void> {
    const { groups, store } = this.#ctx;
    const lookAtIt = async (): Promise<Removable> => lookAtRemovable({ store, backend }, volume, held.signal);
    const remove = async (plan: RemovePlan, door: RemoveDoor): Promise<void> => {
      const claim: Write[] = [{ put: 'volume', key: volume.name, value: { ...volume, state: 'deleting' } }];
      const { keptFor } = await held.run(removeSaga(backend, plan, door), { plan, volume: volume.name, claim });
      if (keptFor !== undefined) throw keptPlain(backend, volume, keptFor);
    };
    const name = volume.spec.replicationGroup;
    if (name === undefined) {
      const removable = await lookAtIt();
      return remove(planPlainRemove(removable), { groups, copies: removable.copies });
    }
    await groups.withPlace({ backend, name }, held.signal, async (seat, look) => {
      // Both looks only read, and neither decides on the other: a volume that may not go is refused before anybody has stopped the group.
      const removable = await lookAtIt();
      const seen = await look();
      const plan = await planRemove(backend, { ...removable, seen }, held.signal);
      // Whoever waits for the group waits long enough for a schedule, and out of it there is no way back.
      const { copies } = isFresh(removable) ? removable : await lookAtIt();
      try {
        await remove(plan, { groups, seat, copies });
      } finally {
        // Whatever became of the volume: nobody is told before its group is as it is to be.
        if (seat.change !== undefined) await seat.over;
      }
    });
  }

  async mount(name: string, id: string, signal: AbortSignal): Promise<string> {
    return this.#mounts.mount(name, id, signal);
  }

  async unmount(name: string, id: string, signal: AbortSignal): Promise<void> {
    await this.#attachments.unmount(name, id, signal);
  }

  async path(name: string, signal: AbortSignal): Promise<string> {
    return (await this.get(name, signal)).mountpoint;
  }

  async get(name: string, signal: AbortSignal): Promise<VolumeView> {
    try {
      return this.#view(await this.#inventory.get(name, signal));
    } catch (thrown) {
      // What is mounted here exists for certain, even if nobody else can be asked: dockerd has to be able to unmount it.
      const mount = this.#ctx.journal.findMount(name);
      const cause = asDriverError(thrown);
      if (mount === undefined || cause.code === 'not-found') throw cause;
      return viewOfMount(mount, cause.message);
    }
  }

  async list(signal: AbortSignal): Promise<ListedVolume[]> {
    return this.#inventory.list(signal);
  }

  #view(records: VolumeRecords): VolumeView {
    const { backends, journal, node } = this.#ctx;
    const { volume, group } = records;
    return viewOf({
      node: node.id,
      records,
      mount: journal.findMount(volume.name),
      backend: backends.find(volume.spec.backend),
      polled: group === undefined ? undefined : this.#poll.find(group),
    });
  }
}

function differencesOf(existing: Volume, wanted: VolumeSpec): string[] {
  // Whoever wrote the size down, as in a compose file, still asks for the one of before the volume has grown.
  const sizeGiB = wanted.sizeGiB === existing.createdGiB ? existing.spec.sizeGiB : wanted.sizeGiB;
  return specDifferences({ ...wanted, sizeGiB }, existing.spec);
}
