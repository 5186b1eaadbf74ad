import type { Backend } from '../backend/backend.js';
import { isOwnMount, type Attachment } from '../domain/attachment.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { within } from '../domain/signals.js';
import type { Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import { getGroup, getVolume, noVolume } from './inventory.js';
import type { LocalUsers } from './local-users.js';
import { isCopying, refuseUnfinishedCopy } from './copying.js';
import { filled } from './mounted-size.js';
import { FOREIGN_LOCK_WAIT_MS, type Held, type Operations } from './operations.js';
import { checkResize, checkSize, isGrown, planResize, planTogether, type ResizePlan } from './plan-resize.js';
import { growing, grown, resizeSaga } from './resize.js';
import type { Seat } from './seat.js';

const FINISH_TIMEOUT_MS = 90_000;
const READ_TIMEOUT_MS = 3_000;

interface Resizing {
  backend: Backend;
  volume: Volume;
}

/** Grows volumes: on the arrays, and then what this host has of them. */
export class Resizes {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #users: LocalUsers;

  constructor(ctx: DriverContext, parts: { operations: Operations; users: LocalUsers }) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#users = parts.users;
  }

  /** To that size; the size that it has already is success. The lines for the operator. @throws `invalid`, `not-found`, `refused`, `busy`, `unavailable` */
  async resize(name: string, toGiB: number, signal: AbortSignal): Promise<string[]> {
    checkSize(toGiB);
    return this.#locked(name, { toGiB }, signal);
  }

  /** What was left: copies that may have grown or not, and file systems of this node that have not followed. @throws `unavailable` when the metadata cannot be read */
  async finish(stopped: AbortSignal): Promise<void> {
    const { store, logger } = this.#ctx;
    const signal = within(FINISH_TIMEOUT_MS, stopped);
    for (const volume of (await store.listNotable(signal)).filter(({ growth }) => growth !== undefined)) {
      try {
        if (!(await this.#isToFinish(volume, signal))) continue;
        const toGiB = volume.growth?.toGiB ?? volume.spec.sizeGiB;
        const lines = await this.#locked(volume.name, { toGiB, lockWaitMs: FOREIGN_LOCK_WAIT_MS }, signal);
        logger.info('an unfinished resize went on', { volume: volume.name, outcome: lines.join('; ') });
      } catch (thrown) {
        const { code, message: reason } = asDriverError(thrown);
        logger.warn('an unfinished resize waits', { volume: volume.name, code, reason });
      }
    }
  }

  async #isToFinish(volume: Volume, signal: AbortSignal): Promise<boolean> {
    const { name, spec, growth } = volume;
    if (await isCopying(this.#ctx.backends.get(spec.backend), volume, signal)) return false;
    if (growth?.toGiB !== spec.sizeGiB) return growth?.isRefused !== true;
    const attachment = await this.#ctx.store.find('attachment', name, signal);
    return attachment?.node === this.#ctx.node.id;
  }

  /** With its mount, so that nobody mounts or unmounts meanwhile. */
  async #locked(name: string, { toGiB, lockWaitMs }: { toGiB: number; lockWaitMs?: number }, signal: AbortSignal) {
    const on = { volume: name, keys: [], ...(lockWaitMs === undefined ? {} : { lockWaitMs }) };
    return this.#users.exclusively(name, async () =>
      this.#operations.withVolume(on, signal, async (held, { volume }) => {
        if (volume === undefined) throw noVolume(name);
        checkResize(volume, toGiB);
        const backend = this.#ctx.backends.get(volume.spec.backend);
        await refuseUnfinishedCopy(backend, volume, held.signal);
        const line = await this.#growArrays(held, { backend, volume }, toGiB);
        return [
          line,
          await this.#growHere(held, { backend, volume: await getVolume(this.#ctx.store, name, held.signal) }),
        ];
      }),
    );
  }

  async #growArrays(held: Held, { backend, volume }: Resizing, toGiB: number): Promise<string> {
    const group = await getGroup(this.#ctx.store, volume, held.signal);
    const plan = await planResize(backend, { volume, toGiB, group }, held.signal);
    const { name } = volume;
    if (isGrown(plan)) {
      await held.commit([{ put: 'volume', key: name, value: grown(volume, plan.sizes) }]);
      return `volume ${name} has ${plan.toMiB / 1024} GiB on its array${group === undefined ? '' : 's'} already`;
    }
    if (group === undefined) await this.#run(held, backend, { plan });
    else {
      await this.#ctx.groups.withSeat({ backend, name: group.name }, held.signal, async (seat, seen) => {
        const together = await planTogether(backend, { ...plan, group }, { seen, signal: held.signal });
        await this.#run(held, backend, { plan: together, seat });
      });
    }
    const { spec, growth } = await getVolume(this.#ctx.store, name, held.signal);
    if (growth !== undefined && growth.toGiB !== spec.sizeGiB) throw notEven(name, spec.sizeGiB, growth.toGiB);
    return `volume ${name} has grown from ${volume.spec.sizeGiB} to ${spec.sizeGiB} GiB${group === undefined ? '' : ` on both arrays, in group ${group.name}`}`;
  }

  async #run(held: Held, backend: Backend, { plan, seat }: { plan: ResizePlan; seat?: Seat }): Promise<void> {
    const { name } = plan.volume;
    const claim = [{ put: 'volume' as const, key: name, value: growing(plan) }];
    try {
      await held.run(resizeSaga(backend, plan, seat), { plan, volume: name, claim });
    } catch (thrown) {
      // Also when the caller's time is over.
      const asking = AbortSignal.timeout(READ_TIMEOUT_MS);
      const left = await this.#ctx.store.find('volume', name, asking).catch(() => undefined);
      throw left === undefined ? thrown : withOutcome(asDriverError(thrown), left);
    }
    const failure = await seat?.over;
    if (failure !== undefined) {
      throw failure.reworded(
        `volume ${name} has grown, but its group has not its own state again, without which the other copy may still be smaller: ${failure.message}`,
      );
    }
  }

  /** The device and the file system, where the volume is mounted on this node. */
  async #growHere(held: Held, { backend, volume }: Resizing): Promise<string> {
    if (volume.growth === undefined) return `nothing else is to be done: its file system is as large`;
    const { store, node, journal } = this.#ctx;
    const attachment = await store.find('attachment', volume.name, held.signal);
    if (attachment === undefined) return 'its file system grows with the next mount';
    if (attachment.node !== node.id) {
      return `it is mounted on node ${attachment.nodeName}, which grows the file system within a minute or two`;
    }
    const mount = journal.findMount(volume.name);
    const { device } = attachment;
    if (device === undefined || mount === undefined || !isOwnMount(node.id, mount, attachment)) {
      return 'its file system grows with the next mount';
    }
    try {
      const resized = await this.#growMounted({ backend, volume, attachment }, held.signal);
      const here: Attachment = { ...attachment, device: { ...device, sizeBytes: resized } };
      await held.commit([
        { put: 'attachment', key: volume.name, value: here },
        { put: 'volume', key: volume.name, value: filled(volume) },
      ]);
    } catch (thrown) {
      const cause = asDriverError(thrown);
      throw cause.reworded(
        `volume ${volume.name} has ${volume.spec.sizeGiB} GiB on its arrays, but its file system on this node is not grown yet: ${cause.message}; it is tried again every minute, and with the next mount`,
      );
    }
    return 'its file system on this node fills it, without having been unmounted';
  }

  /** Bytes of the device. */
  async #growMounted(at: Resizing & { attachment: Attachment }, signal: AbortSignal): Promise<number> {
    const { backend, volume, attachment } = at;
    const { filesystem, spec } = volume;
    const wwn = volume.wwn[attachment.side];
    if (wwn === undefined || filesystem.state !== 'formatted') {
      throw new DriverError('internal', `volume ${volume.name} is attached without a WWN or a file system on record`);
    }
    const connector = this.#ctx.connector(backend);
    if (!(await connector.isCurrent(wwn, signal))) {
      throw new DriverError('refused', `its device here was cut off from the ${attachment.side} array meanwhile`, {
        next: `stop all containers that use ${volume.name} on this node, then start them again`,
      });
    }
    const device = await connector.resize({ wwn, sizeBytes: spec.sizeGiB * 1024 ** 3 }, signal);
    await this.#ctx.filesystems.grow(device, { target: attachment.mountpoint, type: filesystem.type }, signal);
    return device.sizeBytes;
  }
}

/** What became of it, which a grow that failed leaves open as a rule. */
function withOutcome(cause: DriverError, { name, spec, growth }: Volume): DriverError {
  const next = cause.next === undefined ? {} : { next: cause.next };
  const isOpen = growth !== undefined && growth.toGiB !== spec.sizeGiB;
  const outcome =
    !isOpen || (growth.isRefused === true && spec.replicationGroup === undefined)
      ? `the volume has ${spec.sizeGiB} GiB as before`
      : growth.isRefused === true
        ? `one copy has grown already, the other has not; mounts go on, and the same command tries it again`
        : `it may have grown already, and is finished by itself when the arrays answer, or by: hpe-volume-plugin resize ${name} ${growth.toGiB}`;
  return new DriverError(cause.code, `${cause.message}; ${outcome}`, { cause, ...next });
}

const notEven = (name: string, smallest: number, largest: number): DriverError =>
  new DriverError(
    'unavailable',
    `the copies of volume ${name} have ${smallest} and ${largest} GiB: the array grows the smaller one when its group is started`,
    { next: `when the group is started, repeat: hpe-volume-plugin resize ${name} ${largest}` },
  );
