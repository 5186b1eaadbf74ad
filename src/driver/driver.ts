import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { StatusPoll } from '../backend/status-poll.js';
import type { Write } from '../contracts/store.js';
import type { Attachment } from '../domain/attachment.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { arrayHostName, checkVolumeName } from '../domain/names.js';
import { parseVolumeOptions } from '../domain/options.js';
import type { Group } from '../domain/replication.js';
import { specDifferences, type Volume, type VolumeSpec } from '../domain/volume.js';
import { heldElsewhere, type Attachments } from './attachments.js';
import type { DriverContext } from './context.js';
import { checkReplicationOption, createSaga, planCreate } from './create.js';
import { groupKeyOf, Inventory, type VolumeRecords } from './inventory.js';
import { attachmentOf, mountSaga } from './mount.js';
import { groupKey, groupRecordKey, type Operations } from './operations.js';
import { findOverride } from './overrides.js';
import { planMount } from './plan-mount.js';
import { planRemove, removeSaga } from './remove.js';
import { viewOf, viewOfMount, type VolumeView } from './view.js';

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

  constructor(ctx: DriverContext, parts: { operations: Operations; attachments: Attachments; poll: StatusPoll }) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
    this.#poll = parts.poll;
    this.#inventory = new Inventory(ctx);
  }

  activated(): void {
    this.#attachments.users.beginLife();
  }

  async create(name: string, options: Record<string, string>, signal: AbortSignal): Promise<void> {
    checkVolumeName(name);
    const spec = parseVolumeOptions(options);
    const backend = this.#ctx.backends.get(spec.backend);
    checkReplicationOption(backend, spec);
    if (spec.mountConflictDelay >= this.#ctx.mountSeconds) {
      const { mountSeconds } = this.#ctx;
      this.#ctx.logger.warn(
        `mountConflictDelay ${spec.mountConflictDelay} s does not fit the ${mountSeconds} s that a Mount may take here: it ends first`,
        { volume: name },
      );
    }
    const group = spec.replicationGroup;
    const keys = group === undefined ? [] : [groupKey(backend.name, group)];
    await this.#operations.withVolume({ volume: name, keys }, signal, async (held) => {
      const { store } = this.#ctx;
      const existing = await store.find('volume', name, held.signal);
      if (existing !== undefined) {
        refuseDifferent(existing, spec);
        return;
      }
      if (group !== undefined) await this.#refuseUnfinished(groupKey(backend.name, group), held.signal);
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
      for (const key of groupLocks(volume)) await this.#refuseUnfinished(key, held.signal);
      await this.#attachments.releaseForRemoval(held, { volume, backend });
      const group = await this.#groupOf(volume, held.signal);
      const plan = await planRemove(backend, { volume, group }, held.signal);
      const claim: Write[] = [{ put: 'volume', key: name, value: { ...volume, state: 'deleting' } }];
      await held.run(removeSaga(backend, plan), { plan, volume: name, claim });
    });
  }

  async mount(name: string, id: string, signal: AbortSignal): Promise<string> {
    const started = performance.now();
    for (;;) {
      const seen = await this.#getVolume(name, signal);
      const owner = await this.#ctx.store.find('attachment', name, signal);
      if (owner === undefined || owner.node === this.#ctx.node.id) {
        return this.#attachments.users.exclusively(name, async () => this.#mountHere(seen, id, signal));
      }
      const waited = performance.now() - started;
      if (waited > seen.spec.mountConflictDelay * 1000) throw heldElsewhere(owner);
      await pause(CONFLICT_POLL_MS, undefined, { signal }).catch(() => {
        throw heldElsewhere(owner);
      });
    }
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
      const override = await findOverride(this.#ctx.store, volume, held.signal);
      const own = attachments.find((each) => each.volume === name);
      if (own !== undefined && own.node !== this.#ctx.node.id) throw heldElsewhere(own);
      if (own !== undefined) {
        const joined = await this.#attachments.join(held, { volume, backend, group, attachment: own, id, override });
        if (joined !== undefined) return joined;
        await this.#attachments.detach(held, { volume, backend, attachment: own });
      }
      const { mountRoot, logger } = this.#ctx;
      const plan = await planMount(
        backend,
        {
          volume,
          group,
          ...this.#hostNames(volume, own),
          mountId: this.#attachments.users.mountId(id),
          initiators: await this.#ctx.connector(backend).initiators(held.signal),
          mountpoint: join(mountRoot, name),
          attachments,
          override,
        },
        held.signal,
      );
      if (plan.warning !== undefined) logger.warn(plan.warning, { volume: name });
      const claim: Write[] = [{ put: 'attachment', key: name, value: attachmentOf(this.#ctx, plan, {}) }];
      try {
        await held.run(mountSaga(this.#ctx, backend, plan), { plan, volume: name, claim });
      } catch (thrown) {
        // dockerd drops the id of a Mount that failed, and never sends an Unmount for it.
        await this.#attachments.users.leave(name, id);
        throw thrown;
      }
      if (group !== undefined) this.#poll.refresh();
      return plan.mountpoint;
    });
  }

  /** An export to one of these names is this host's own, whoever named it. */
  #hostNames(volume: Volume, attachment: Attachment | undefined): { hostName: string; ownHosts: string[] } {
    const hostName = arrayHostName(this.#ctx.node.name);
    const deferred = this.#ctx.journal.deferredRemovals().filter((each) => each.arrayName === volume.arrayName);
    const before = attachment === undefined ? [] : [attachment.host];
    return { hostName, ownHosts: [hostName, ...before, ...deferred.map((each) => each.host)] };
  }

  /** A group with a half-made or half-removed member is nobody's to judge: its state is not the one that will be restored. */
  async #refuseUnfinished(group: string, signal: AbortSignal): Promise<void> {
    const open = await this.#ctx.store.list('operation', signal);
    // A Mount holds the group's lock, too, but leaves the group as it is.
    const blocking = open.find(({ kind, keys }) => ['create', 'remove'].includes(kind) && keys.includes(group));
    if (blocking === undefined) return;
    throw new DriverError(
      'busy',
      `the ${blocking.kind} of volume ${blocking.volume} in the same remote copy group is not finished (${blocking.error ?? 'it was interrupted'})`,
      { next: 'see that both arrays answer; it then finishes by itself within a minute; then try again' },
    );
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
