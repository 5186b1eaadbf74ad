import { join } from 'node:path';
import type { StatusPoll } from '../backend/status-poll.js';
import type { Write } from '../contracts/store.js';
import { exportSides, isOwnMount, type Attachment } from '../domain/attachment.js';
import { asDriverError } from '../domain/errors.js';
import { arrayHostName } from '../domain/names.js';
import type { Override } from '../domain/override.js';
import type { Group } from '../domain/replication.js';
import { together } from '../domain/together.js';
import type { Volume } from '../domain/volume.js';
import type { Operation } from '../saga/operation.js';
import type { Attachments } from './attachments.js';
import { Conflicts } from './conflicts.js';
import type { DriverContext } from './context.js';
import { mayBeCopying, waitForCopy } from './copying.js';
import { refuseVanished } from './expiry.js';
import { noVolume, refuseMissingGroup } from './inventory.js';
import { groupKeyOf, groupLocks } from './keys.js';
import { findGroup } from './known.js';
import { attachmentOf, mountSaga } from './mount.js';
import type { Held, Operations } from './operations.js';
import { findOverride } from './overrides.js';
import { planMount, type MountPlan } from './plan-mount.js';
import type { Resizes } from './resizes.js';

interface MountCall {
  /** As it was when the Mount began; read again under its lock. */
  seen: Volume;
  /** dockerd's id. */
  id: string;
  /** The other node's attachment that was waited for in vain. */
  takeOverFrom?: Attachment;
}

/** What a Mount works with. */
export interface MountParts {
  operations: Operations;
  attachments: Attachments;
  poll: StatusPoll;
  resizes: Resizes;
}

/** The Mount verb: waits for a node that holds the volume, joins a mount that is there already, or attaches it here. */
export class Mounts {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #attachments: Attachments;
  readonly #conflicts: Conflicts;
  readonly #poll: StatusPoll;
  readonly #resizes: Resizes;

  constructor(ctx: DriverContext, parts: MountParts) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
    this.#poll = parts.poll;
    this.#resizes = parts.resizes;
    this.#conflicts = new Conflicts(ctx);
  }

  /** Returns the directory that containers bind. */
  async mount(name: string, id: string, signal: AbortSignal): Promise<string> {
    for (;;) {
      const { seen, ...look } = await this.#look(name, signal);
      const call: MountCall = { seen, id };
      let { holder } = look;
      if (mayBeCopying(seen) || this.#ctx.journal.findMount(name) !== undefined) {
        if (mayBeCopying(seen)) await this.#awaitCopy(seen, signal);
        await this.#attachments.local.releaseRobbed(name, signal);
        // Both may take their time.
        holder = await this.#ctx.store.find('attachment', name, signal);
      }
      if (holder !== undefined && holder.node !== this.#ctx.node.id) {
        if (!(await this.#conflicts.isOver(seen, holder, signal))) continue;
        call.takeOverFrom = holder;
      }
      const mountpoint = await this.#attachments.users.exclusively(name, async () => this.#mountHere(call, signal));
      if (mountpoint === undefined) continue;
      await this.#conflicts.end(name);
      return mountpoint;
    }
  }

  /** The volume, and who has it mounted, by one question. @throws `not-found` */
  async #look(name: string, signal: AbortSignal): Promise<{ seen: Volume; holder: Attachment | undefined }> {
    const wanted = [
      ['volume', name],
      ['attachment', name],
    ] as const;
    const [seen, holder] = await this.#ctx.store.findAll(wanted, signal);
    if (seen === undefined) throw noVolume(name);
    return { seen, holder };
  }

  /** A clone is mounted when it is whole, and as large as it is to be. */
  async #awaitCopy(volume: Volume, signal: AbortSignal): Promise<void> {
    const { backends, mountSeconds, logger } = this.#ctx;
    const { name, spec, growth } = volume;
    await waitForCopy(backends.get(spec.backend), { volume, waitMs: mountSeconds * 500 }, signal);
    if (growth === undefined || growth.toGiB === spec.sizeGiB || growth.isRefused === true) return;
    try {
      await this.#resizes.resize(name, growth.toGiB, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const { message: reason } = asDriverError(thrown);
      logger.warn('the clone is mounted as small as its source for now', { volume: name, reason });
    }
  }

  /** Undefined when another node holds the volume by now, again, or has held it meanwhile: then look at it anew. */
  async #mountHere(call: MountCall, signal: AbortSignal): Promise<string | undefined> {
    const { seen, takeOverFrom } = call;
    const { store, node } = this.#ctx;
    const robs = takeOverFrom === undefined ? {} : { robs: takeOverFrom.node };
    const on = { volume: seen.name, keys: groupLocks(seen), group: { likely: groupKeyOf(seen) }, ...robs };
    return this.#operations.withVolume(on, signal, async (held, { volume, attachment: present, group, operation }) => {
      if (volume === undefined) throw noVolume(seen.name);
      // The locks are those of the volume that was seen, and of its group.
      if (volume.id !== seen.id) return undefined;
      refuseMissingGroup(volume, group);
      if (present !== undefined && present.node !== node.id && !isSame(present, takeOverFrom)) return undefined;
      const mounted = this.#ctx.journal.findMount(volume.name);
      if (mounted !== undefined && !isOwnMount(node.id, mounted, present)) return undefined;
      if (present?.node === node.id) {
        const override = await findOverride(store, volume, held.signal);
        const joined = await this.#join(held, { volume, attachment: present, group, override, id: call.id });
        if (joined !== undefined) return joined;
      }
      const [ofOthers, override, groupNow] = await together([
        this.#attachments.inGroup(volume, held.signal),
        findOverride(store, volume, held.signal),
        // Whoever looked at what was mounted may have put another active side on record, and it took its time.
        present?.node === node.id ? findGroup(store, volume, held.signal) : group,
      ]);
      refuseMissingGroup(volume, groupNow);
      const attachments = [...ofOthers, ...(present === undefined ? [] : [present])];
      const from =
        present !== undefined && present.node !== node.id ? { takeOverFrom: present, interrupted: operation } : {};
      return this.#attach(held, { volume, group: groupNow, override, attachments, id: call.id, ...from });
    });
  }

  /** Undefined when the mount was on record only: then it has been taken down. */
  async #join(
    held: Held,
    { volume, group, override, attachment, id }: Mountable & { attachment: Attachment; id: string },
  ): Promise<string | undefined> {
    const backend = this.#ctx.backends.get(volume.spec.backend);
    const joined = await this.#attachments.join(held, { volume, backend, group, attachment, id, override });
    if (joined === undefined) await this.#attachments.detach(held, { volume, backend, attachment });
    return joined;
  }

  async #attach(held: Held, request: AttachRequest): Promise<string> {
    const { logger } = this.#ctx;
    const { volume, takeOverFrom, id } = request;
    const backend = this.#ctx.backends.get(volume.spec.backend);
    const plan = await this.#plan(held, request);
    if (plan.warning !== undefined) logger.warn(plan.warning, { volume: volume.name });
    if (takeOverFrom !== undefined) {
      logger.warn(`taking the volume over from node ${takeOverFrom.nodeName}, which did not release it in time`, {
        volume: volume.name,
        seconds: volume.spec.mountConflictDelay,
      });
    }
    const key = volume.name;
    const claim: Write[] = [
      { put: 'attachment', key, value: attachmentOf(this.#ctx, plan, {}) },
      { put: 'volume', key, value: plan.volume },
    ];
    this.#attachments.users.begin(key);
    try {
      await held.run(mountSaga(this.#ctx, backend, plan), { plan, volume: key, claim });
    } catch (thrown) {
      // dockerd drops the id of a Mount that failed, and never sends an Unmount for it.
      await this.#attachments.users.leave(key, id);
      throw thrown;
    }
    if (plan.group !== undefined) this.#poll.refresh();
    return plan.mountpoint;
  }

  async #plan(held: Held, request: AttachRequest): Promise<MountPlan> {
    const { store, node, mountRoot } = this.#ctx;
    const { volume, group, override, attachments, id, takeOverFrom, interrupted } = request;
    const backend = this.#ctx.backends.get(volume.spec.backend);
    await refuseVanished(backend, volume, held.signal);
    const own = attachments.find((each) => each.volume === volume.name && each.node === node.id);
    // Only who is asked about another node needs to know which ones live.
    const others = attachments.some((each) => each.node !== node.id);
    return planMount(
      backend,
      {
        volume,
        group,
        ...this.#hostNames(volume, own),
        mountId: this.#attachments.users.mountId(id),
        initiators: await this.#ctx.connector(backend).initiators(held.signal),
        mountpoint: join(mountRoot, volume.name),
        attachments,
        override,
        // Whoever asks lives, whether or not that was announced yet.
        livingNodes: new Set([node.id, ...(others ? await store.livingNodes(held.signal) : [])]),
        ...(takeOverFrom === undefined ? {} : { takeOverFrom, interrupted }),
      },
      held.signal,
    );
  }

  /** An export to one of these names is this host's own, whoever named it. */
  #hostNames(volume: Volume, attachment: Attachment | undefined): { hostName: string; ownHosts: string[] } {
    const hostName = arrayHostName(this.#ctx.node.name);
    const deferred = this.#ctx.journal.deferredRemovals().filter((each) => each.arrayName === volume.arrayName);
    const before = attachment === undefined ? [] : exportSides(attachment).map(({ host }) => host);
    return { hostName, ownHosts: [hostName, ...before, ...deferred.map((each) => each.host)] };
  }
}

/** A volume as it was read under its locks. */
interface Mountable {
  volume: Volume;
  group: Group | undefined;
  override: Override | undefined;
}

interface AttachRequest extends Mountable {
  /** Of the volume, as it was before what was mounted here was taken down, and of all other members of its group. */
  attachments: Attachment[];
  id: string;
  takeOverFrom?: Attachment;
  /** What its node has left open. */
  interrupted?: Operation | undefined;
}

const isSame = (a: Attachment, b: Attachment | undefined): boolean =>
  a.node === b?.node && a.generation === b.generation;
