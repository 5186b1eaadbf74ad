import type { BackendManager } from '../backend/manager.js';
import type { Logger } from '../contracts/log.js';
import type { Fence, MetadataStore, Write } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { withTimeLimit } from '../domain/signals.js';
import { runCycle } from './group-cycle.js';
import { GroupLine } from './group-line.js';
import { groupKey, groupRecordKey } from './keys.js';
import type { LockedGroup } from './locked-group.js';
import { LOCK_WAIT_MS } from './operations.js';
import type { GroupChange, Seat } from './seat.js';
import { lookAtGroup, type GroupId, type SeenGroup } from './seen-group.js';
import { Waits } from './waits.js';

const LOOK_TIMEOUT_MS = 30_000;
/**
 * How long a stop that got no answer is expected. It is shorter than what other calls are looked for (late.ts), since from
 * then on a stop is an administrator's.
 */
const LATE_STOP_MS = 5 * 60_000;

interface Context {
  store: MetadataStore;
  backends: BackendManager;
  logger: Logger;
}

/** Waits until the group is locked. Returns what was seen of it. @throws `busy` */
export type Look = () => Promise<SeenGroup>;

/** How a volume gets into its group, and out of it again. */
export interface GroupDoor {
  groups: GroupCycles;
  /** In the cycle in which it was planned; there is none when an unfinished operation is settled later. */
  seat?: Seat;
}

/**
 * The only way in and out of remote copy groups: those who wait for the same group on this node go through one
 * stop–admit–start together. Whoever takes part holds his volume's lock and has his operation on file; the group's lock
 * is taken here, after the volumes' locks, and only for the cycle.
 */
export class GroupCycles {
  readonly #ctx: Context;
  readonly #lines = new Map<string, GroupLine>();
  readonly #lateStops = new Waits(LATE_STOP_MS);

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  /** Does the work with a seat that is open: the group is locked, and what was seen of it is in hand. @throws `busy` */
  async withSeat<T>(id: GroupId, signal: AbortSignal, work: (seat: Seat, seen: SeenGroup) => Promise<T>): Promise<T> {
    return this.withPlace(id, signal, async (seat, look) => work(seat, await look()));
  }

  /** Begins the work while the seat still waits for the group's lock and the look at it, which `look` returns. */
  async withPlace<T>(id: GroupId, signal: AbortSignal, work: (seat: Seat, look: Look) => Promise<T>): Promise<T> {
    const seat = this.#lineOf(id).join();
    try {
      return await work(seat, async () => untilAborted(seat.opened, signal));
    } finally {
      seat.leave();
    }
  }

  /** One change, with the group as it is to be at its end. @throws why either is not so */
  async change(id: GroupId, change: GroupChange, signal: AbortSignal): Promise<void> {
    await this.withSeat(id, signal, async (seat) => {
      await seat.take(change, signal);
      const failure = await seat.over;
      if (failure !== undefined) throw failure;
    });
  }

  /** Groups that were left stopped, as by a crash between stop and start. Returns the keys of their records. */
  async owed(signal: AbortSignal): Promise<string[]> {
    const groups = await this.#ctx.store.list('group', signal);
    return groups
      .filter((group) => group.owesStart !== undefined)
      .map((group) => groupRecordKey(group.backend, group.name));
  }

  /** Starts a group that is owed a start, or removes it when we made it and nobody is in it. @throws why it cannot */
  async pay(key: string, signal: AbortSignal): Promise<void> {
    const group = await this.#ctx.store.find('group', key, signal);
    if (group?.owesStart === undefined) return;
    const id = { backend: this.#ctx.backends.get(group.backend), name: group.name };
    await this.change(id, { kind: 'tidy', emptyMayGo: false }, signal);
  }

  #lineOf(id: GroupId): GroupLine {
    const key = groupRecordKey(id.backend.name, id.name);
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const line = new GroupLine({
      lock: async () => {
        const keys = [groupKey(id.backend.name, id.name)];
        const signal = AbortSignal.timeout(LOCK_WAIT_MS);
        const { fence, found } = await this.#ctx.store.lockAndFind(keys, [['group', key]], signal);
        return { fence, record: found[0] };
      },
      look: async ({ fence, record }) =>
        withTimeLimit(LOOK_TIMEOUT_MS, fence.signal, async (signal) => lookAtGroup(id, record, signal)),
      run: async (fence, seen, seats) => runCycle(this.#locked(id, key, fence), seen, seats),
    });
    this.#lines.set(key, line);
    return line;
  }

  #locked(id: GroupId, key: string, fence: Fence): LockedGroup {
    const { store, logger } = this.#ctx;
    const lateStops = this.#lateStops;
    return {
      id,
      get stopMayComeLate() {
        return !lateStops.isOver(key);
      },
      get lost() {
        return fence.signal;
      },
      expectLateStop: () => lateStops.end(key),
      look: async (signal) => this.#look(id, key, signal),
      async record(group) {
        const write: Write = group === undefined ? { remove: 'group', key } : { put: 'group', key, value: group };
        await store.commit(fence, [write]);
        if (group?.owesStart === undefined) lateStops.end(key);
      },
      async isReferenced() {
        const members = await store.listMembers(key, AbortSignal.timeout(LOOK_TIMEOUT_MS));
        return members.some(({ state }) => state === 'ready');
      },
      logger,
    };
  }

  async #look(id: GroupId, key: string, signal: AbortSignal): Promise<SeenGroup> {
    return lookAtGroup(id, await this.#ctx.store.find('group', key, signal), signal);
  }
}

/** @throws `busy`, or why the locks are about to be lost, when the signal fires first */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let giveUp: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(gaveUp(signal.reason));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (giveUp !== undefined) signal.removeEventListener('abort', giveUp);
  }
}

function gaveUp(reason: unknown): DriverError {
  if (reason instanceof DriverError) return reason;
  const message = 'the time ran out while other volumes joined or left the same remote copy group';
  return new DriverError('busy', message, { cause: reason, next: 'try again' });
}
