import type { Backend } from '../backend/backend.js';
import { proveActiveSide } from '../backend/observe.js';
import { isSplit } from '../backend/paired.js';
import type { Write } from '../contracts/store.js';
import { isOwnMount, type Attachment } from '../domain/attachment.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { Override } from '../domain/override.js';
import { otherSide, type Group } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import { apartAfter, movedApart } from './apart.js';
import type { DriverContext } from './context.js';
import { groupKeyOf, groupRecordKey } from './keys.js';
import { describeUsers, LocalRelease, type AttachedHere } from './local-release.js';
import { LocalUsers } from './local-users.js';
import type { Held, Operations } from './operations.js';
import { noteActiveSide } from './note-active.js';
import { mountQuestion, withActive } from './plan-mount.js';
import { planUnmount, unmountSaga } from './unmount.js';

interface Attached {
  volume: Volume;
  backend: Backend;
  attachment: Attachment;
}

/** How long the metadata may take to prove that they are there after all. */
const STORE_CHECK_MS = 3_000;

/** What this node is attached to: who uses it, one user more or less, and letting go when there is none. */
export class Attachments {
  readonly users: LocalUsers;
  readonly local: LocalRelease;
  readonly #ctx: DriverContext;
  readonly #operations: Operations;

  constructor(ctx: DriverContext, operations: Operations) {
    this.#ctx = ctx;
    this.#operations = operations;
    this.users = new LocalUsers(ctx.journal);
    this.local = new LocalRelease(ctx, this.users);
  }

  /** What this node has attached. Once all volumes are known those of others are not read for it: the cluster may have very many. */
  async listOwn(signal: AbortSignal): Promise<Attachment[]> {
    const { lastSeen, store, node } = this.#ctx;
    const known = lastSeen?.outline()?.attachments.values();
    if (known === undefined) return (await store.list('attachment', signal)).filter((each) => each.node === node.id);
    const own = [...known].filter((each) => each.node === node.id);
    return this.findOwn(
      own.map(({ volume }) => volume),
      signal,
    );
  }

  /** Those of the volumes that this node has attached, by the metadata's word. */
  async findOwn(volumes: readonly string[], signal: AbortSignal): Promise<Attachment[]> {
    const { store, node } = this.#ctx;
    const found = await store.findAll(
      volumes.map((name) => ['attachment', name] as const),
      signal,
    );
    return found.flatMap((each) => (each?.node === node.id ? [each] : []));
  }

  /** Attachments of all other members of the volume's group. */
  async inGroup(volume: Volume, signal: AbortSignal): Promise<Attachment[]> {
    const { store } = this.#ctx;
    const group = groupKeyOf(volume);
    const others = group === undefined ? [] : await store.listMembers(group, signal, volume.name);
    const wanted = others.map(({ name }) => ['attachment', name] as const);
    return (await store.findAll(wanted, signal)).filter((each) => each !== undefined);
  }

  /**
   * One more user of a mount that is really there; undefined when it is only on record, as after a reboot.
   * @throws `refused` when its side is not the active one any more, or its device was cut off
   */
  async join(
    held: Held,
    at: Attached & { group: Group | undefined; id: string; override: Override | undefined },
  ): Promise<string | undefined> {
    const { volume, attachment } = at;
    const { device, mountpoint, side, host, peer, generation } = attachment;
    if (device === undefined || !(await this.#isMounted(attachment))) {
      await this.#refuseIfUsed(attachedHere(at), held.signal);
      return undefined;
    }
    const stale = at.group && (await this.#whyStale(held, at.group, at));
    if (stale !== undefined) {
      if (this.users.areThere(volume.name)) throw stale;
      // An Unmount left it because something held the device; nobody is on record, so it can go now.
      await this.#refuseIfUsed(attachedHere(at), held.signal);
      return undefined;
    }
    if (!(await this.#ctx.connector(at.backend).isCurrent(device.wwn, held.signal))) {
      if (this.users.areThere(volume.name)) throw cutOff(at);
      await this.#refuseIfUsed(attachedHere(at), held.signal);
      return undefined;
    }
    await this.#ctx.filesystems.proveShown(device, mountpoint);
    const { wwn } = device;
    const hosts = { side, host, ...(peer === undefined ? {} : { peer }) };
    const mount = { volume: volume.name, backend: at.backend.name, wwn, device, mountpoint, ...hosts, generation };
    await this.users.join(mount, at.id);
    return mountpoint;
  }

  /** One user less, and the end of the attachment with the last one. An unknown id or volume is success. */
  async unmount(name: string, id: string, signal: AbortSignal): Promise<void> {
    const mount = await this.users.leave(name, id);
    if (mount !== undefined && mount.ids.length > 0) return;
    try {
      await this.releaseUnused(name, signal);
    } catch (thrown) {
      const cause = asDriverError(thrown);
      const isWithoutStore = cause.code === 'unavailable' || cause.code === 'fenced';
      if (!isWithoutStore || mount === undefined || (await this.#isStoreThere(name))) throw cause;
      this.#ctx.logger.warn('the metadata cannot be changed: detaching here, the export stays for later', {
        volume: name,
        reason: cause.message,
      });
      await this.local.releaseForLater(name, signal);
    }
  }

  /**
   * Detaches and unexports a volume that nobody on this node uses any more; one in use is left for a later round. Of one that
   * another node took over only this host's side is cleaned up.
   */
  async releaseUnused(name: string, signal: AbortSignal): Promise<void> {
    const { store, journal, node } = this.#ctx;
    const [attachment, mount] = [await store.find('attachment', name, signal), journal.findMount(name)];
    if (mount !== undefined && !isOwnMount(node.id, mount, attachment)) {
      await this.local.releaseRobbed(name, signal);
    } else if (attachment?.node === node.id && !(await this.#isUsed(attachment, signal))) {
      await this.#releaseOwn(name, signal);
    }
  }

  /** After a reboot the ids are still on record, but nothing is mounted for them any more. */
  async #isUsed(attachment: Attachment, signal: AbortSignal): Promise<boolean> {
    const { volume } = attachment;
    if (!this.users.areThere(volume) || !(await this.#isMounted(attachment))) return false;
    const mount = this.#ctx.journal.findMount(volume);
    if (mount !== undefined) this.users.noteKernel(volume, (await this.local.usersOf(mount, signal)).length > 0);
    return this.users.areThere(volume);
  }

  async #releaseOwn(name: string, signal: AbortSignal): Promise<void> {
    const { backends, logger, node } = this.#ctx;
    await this.#operations.withVolume({ volume: name, keys: [] }, signal, async (held, { volume, attachment }) => {
      if (volume === undefined || attachment === undefined || attachment.node !== node.id) return;
      // A Mount may have come in between.
      if (await this.#isUsed(attachment, held.signal)) return;
      const backend = backends.get(volume.spec.backend);
      const users = await this.local.lastingUsersOf(attachedHere({ volume, backend, attachment }), held.signal);
      if (users.length > 0) {
        logger.info('still in use, detached later', { volume: name, users: describeUsers(users) });
        return;
      }
      if (attachment.peer !== undefined) await noteActiveSide(this.#ctx, { volume, backend }, held.signal);
      await this.detach(held, { volume, backend, attachment });
    });
  }

  /** Lets go of a volume that is to be removed. @throws `busy` when it is in use, here or on another node */
  async releaseForRemoval(held: Held, of: { volume: Volume; backend: Backend }): Promise<void> {
    const attachment = await this.#ctx.store.find('attachment', of.volume.name, held.signal);
    if (attachment === undefined) return;
    if (attachment.node !== this.#ctx.node.id) throw heldElsewhere(attachment);
    await this.#refuseIfUsed(attachedHere({ ...of, attachment }), held.signal);
    await this.detach(held, { ...of, attachment });
  }

  /** Unmounts, detaches and unexports, whoever is on record as a user. */
  async detach(held: Held, { volume, backend, attachment }: Attached): Promise<void> {
    const plan = planUnmount(volume, attachment);
    const claim: Write[] = [{ put: 'attachment', key: volume.name, value: { ...attachment, state: 'detaching' } }];
    await held.run(unmountSaga(this.#ctx, backend, plan), { plan, volume: volume.name, claim });
  }

  async #isStoreThere(volume: string): Promise<boolean> {
    try {
      await this.#ctx.store.find('attachment', volume, AbortSignal.timeout(STORE_CHECK_MS));
      return true;
    } catch {
      return false;
    }
  }

  /** Undefined when what is mounted is the copy that serves the group now. */
  async #whyStale(
    held: Held,
    group: Group,
    at: Attached & { override: Override | undefined },
  ): Promise<DriverError | undefined> {
    const { volume, backend, attachment, override } = at;
    const proven = await proveActiveSide(mountQuestion({ backend, volume, group }, override?.side), held.signal);
    if (proven.overridden) this.#ctx.logger.warn(proven.warning ?? '', { volume: volume.name, override });
    if (attachment.peer === undefined && proven.side !== attachment.side) return staleSide(group, at);
    if (attachment.peer !== undefined && isSplit(proven.observation)) return split(group, at);
    const apart = apartAfter({ backend, volume, attachment, ...proven });
    if (apart?.moved === true) return movedApart(backend, attachment, apart.side);
    if (attachment.peer !== undefined && proven.side !== group.lastActive)
      await held.commit([groupWrite(withActive(group, proven))]);
    return undefined;
  }

  /** The kernel's answer, whatever is on record. */
  async #isMounted({ mountpoint, device }: Attachment): Promise<boolean> {
    const entries = await this.#ctx.filesystems.mounts();
    return entries.some((each) => each.target === mountpoint && each.source === device?.path);
  }

  async #refuseIfUsed(at: AttachedHere & { volume: string }, signal: AbortSignal): Promise<void> {
    const users = await this.local.usersOf(at, signal);
    if (users.length === 0) return;
    throw new DriverError('busy', `volume ${at.volume} is in use on this node by ${describeUsers(users)}`, {
      next: 'stop the containers that use it, then try again',
    });
  }
}

const groupWrite = (value: Group): Write => ({
  put: 'group',
  key: groupRecordKey(value.backend, value.name),
  value,
});

function attachedHere({ volume, backend, attachment }: Attached): AttachedHere & { volume: string } {
  const { device, mountpoint, side } = attachment;
  const wwn = device?.wwn ?? volume.wwn[side] ?? '';
  return { volume: volume.name, backend: backend.name, wwn, mountpoint, ...(device === undefined ? {} : { device }) };
}

/** The side was left and came back, or lost its power, while a container held on to the device of before. */
function cutOff({ volume, attachment }: Attached): DriverError {
  return new DriverError(
    'refused',
    `volume ${volume.name} is mounted here on a device that does not answer as that volume any more: it was cut off from the ${attachment.side} array meanwhile, or has no path; what is written to it may be lost, and what is read from it old`,
    {
      next: `stop all containers that use ${volume.name}, then start them again; but if multipath -ll shows that all its paths are down just now, bring these back and try again`,
    },
  );
}

const startAnew = (name: string): string => `stop all containers that use ${name}, then start them again`;

function staleSide(group: Group, { volume, backend, attachment }: Attached): DriverError {
  return new DriverError(
    'refused',
    `group ${group.name} is active on ${backend.array(otherSide(attachment.side)).label}, but volume ${volume.name} is still mounted here from the ${attachment.side} array, whose copy is stale`,
    { next: startAnew(volume.name) },
  );
}

function split(group: Group, { volume, backend }: Attached): DriverError {
  const both = backend.sides.map((side) => backend.array(side).label).join(' and ');
  return new DriverError(
    'refused',
    `${both} both claim the Primary role of group ${group.name}, and volume ${volume.name} is mounted here from both: what is written may be in either copy`,
    { next: `${startAnew(volume.name)}; see which copy is good with: showrcopy groups ${group.name}` },
  );
}

/** The refusal for a volume that another node holds. */
export function heldElsewhere(attachment: Attachment): DriverError {
  return new DriverError(
    'busy',
    `volume ${attachment.volume} is in use on node ${attachment.nodeName} (${attachment.state}, ${attachment.side} array)`,
    { next: `stop the containers that use it on ${attachment.nodeName}` },
  );
}
