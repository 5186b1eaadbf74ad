import type { ReadBack, RemoteCopy } from '../contracts/array.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { Group, RemoteCopyGroup } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import { acceptSeats } from './accept-seats.js';
import { Admissions, sideBySide } from './admissions.js';
import { createGroup, resumeGroup } from './create-group.js';
import { Dismissals } from './dismissals.js';
import { lockLost } from './group-failures.js';
import { confirmed, isAsMade, isStarted, newRecord, placeOfGroup, recordOf, withDebt } from './group-record.js';
import type { LockedGroup } from './locked-group.js';
import { removeIfEmpty } from './remove-group.js';
import { isOutOrTidy, type Admission, type Seat } from './seat.js';
import { refuseReversed, viewOfGroup, type SeenGroup } from './seen-group.js';

/*
 * States that a crash can leave, and what the next cycle makes of each:
 * - on record as ours, not made           → the record goes, or the group is made for somebody who wants in
 * - made, no member                       → removed, if the array itself shows no member
 * - `stopping` on record, started         → the stop was not sent, or comes late: stays on record for some minutes, then goes
 * - `stopping` on record, stopped         → started, once: an administrator's stop of just that time is not told from ours
 * - `stopped` on record, some members changed → started; each volume's own operation finishes its part, and nothing is done twice
 * - started and still on record as owed   → the record goes
 */

/** How long a cycle goes on dismissing and admitting; the other members do not replicate meanwhile. */
const WINDOW_MS = 20_000;
/** The whole of the changes, and then the way to the group's own state. */
const PART_TIMEOUT_MS = 60_000;

/** One stop–admit–start for all who wait: every seat gets its answer. Never throws. Returns those for whom the time did not suffice. */
export async function runCycle(locked: LockedGroup, seen: SeenGroup, seats: Seat[]): Promise<Seat[]> {
  if (seats.length === 0 && seen.record?.owesStart === undefined) return [];
  let later: Seat[] = [];
  let failure: DriverError | undefined;
  let missing: ReadonlyMap<Seat, DriverError> = new Map();
  try {
    const accepted = await acceptSeats(locked, { seen, seats, timeoutMs: PART_TIMEOUT_MS });
    const cycle = new GroupCycle(locked, accepted.seen);
    later = await cycle.change(accepted.seats);
    failure = await cycle.restore(seats);
    missing = new Map([...cycle.admissions.missing, ...cycle.dismissals.missing]);
  } catch (thrown) {
    failure = lockLost(thrown);
    for (const seat of seats) seat.fail(failure);
  }
  for (const seat of seats) if (!later.includes(seat)) seat.end(missing.get(seat) ?? failure);
  return later;
}

/** The changes of one cycle, and the way to the group's own state. */
class GroupCycle {
  readonly #locked: LockedGroup;
  readonly #remoteCopy: RemoteCopy;
  /** As the array calls it that takes the group's commands. */
  readonly #name: string;
  readonly #seen: SeenGroup;
  readonly #group: RemoteCopyGroup | undefined;
  readonly #members: Set<string>;
  readonly #wasStarted: boolean;
  /** As read back after its start. */
  #started: RemoteCopyGroup | undefined;
  /** What is on file now. */
  #record: Group | undefined;
  /** When we began to stop it, if we did. */
  #stoppedAt: number | undefined;
  #stopIsUnanswered = false;
  readonly admissions: Admissions;
  readonly dismissals: Dismissals;

  constructor(locked: LockedGroup, seen: SeenGroup) {
    const { side, group } = viewOfGroup(seen);
    this.#locked = locked;
    this.#remoteCopy = locked.id.backend.array(side).remoteCopy;
    this.#name = group?.name ?? locked.id.name;
    this.#seen = seen;
    this.admissions = new Admissions(locked.id, this.#remoteCopy, this.#name);
    this.dismissals = new Dismissals(this.#remoteCopy, this.#name);
    this.#group = group;
    this.#members = new Set(group?.members.map((member) => member.volume));
    this.#wasStarted = isStarted(group);
    this.#record = seen.record;
  }

  /** Dismisses, grows and admits; one that fails fails alone. Returns those for whom the time did not suffice. */
  async change(seats: Seat[]): Promise<Seat[]> {
    const leaving = seats.filter(({ change }) => change?.kind === 'dismiss' && this.#members.has(change.volume));
    const growing = seats.filter(({ change }) => change?.kind === 'grow');
    const joining = seats.filter(({ change }) => change?.kind === 'admit');
    // Dismissals first, since they make room.
    const wanted = [...leaving, ...growing, ...joining];
    for (const seat of seats) if (!wanted.includes(seat)) seat.succeed();
    const signal = this.#signal();
    if (this.#members.size - leaving.length + joining.length > 0) this.#resume(signal);
    if (wanted.length === 0) {
      await this.admissions.setUp();
      return [];
    }
    try {
      await this.#prepare(wanted, signal);
    } catch (thrown) {
      for (const seat of wanted) seat.fail(lockLost(thrown));
      return [];
    }
    const until = performance.now() + WINDOW_MS;
    const later: Seat[] = [];
    for (const seat of [...leaving, ...growing]) {
      if (performance.now() > until) later.push(seat);
      else await this.#changeOne(seat, signal);
    }
    const [postponed] = await Promise.all([
      sideBySide(joining, until, async (seat, isTriedAgain) => this.#changeOne(seat, signal, isTriedAgain)),
      this.admissions.setUp(),
    ]);
    return [...later, ...postponed];
  }

  /** Gives the group the state that it is to have: started, stopped as it was, or gone. Returns why it has not. */
  async restore(seats: Seat[]): Promise<DriverError | undefined> {
    const restoring = this.#restore(seats);
    // The start is asked for first. It neither brings a volume back nor depends on the read-back of those that are out.
    this.dismissals.tellMade();
    const [failure] = await Promise.all([restoring, this.dismissals.readBack(this.#signal())]);
    return failure;
  }

  async #restore(seats: Seat[]): Promise<DriverError | undefined> {
    const { id, logger } = this.#locked;
    try {
      if (this.#members.size > 0) this.admissions.throwIfUnset();
      const emptyMayGo = seats.some(({ change }) => isOutOrTidy(change) && change.emptyMayGo);
      const mayBeOurs = seats.some(({ change }) => change?.kind === 'dismiss' && change.mayHaveMadeIt === true);
      const signal = this.#signal();
      const isThere = await this.#settle(emptyMayGo || (mayBeOurs && isAsMade(id, this.#seen)), signal);
      await this.#file(isThere, isThere ? await this.admissions.readBack(this.#started, signal) : undefined);
      return undefined;
    } catch (thrown) {
      const failure = lockLost(thrown);
      const reason = failure.message;
      logger.error('a remote copy group is not as it is to be', { group: id.name, backend: id.backend.name, reason });
      return failure;
    }
  }

  /** @throws `unavailable` */
  #throwIfLost(): void {
    const { lost } = this.#locked;
    if (lost.aborted) throw lockLost(lost.reason);
  }

  #signal(): AbortSignal {
    return within(PART_TIMEOUT_MS, this.#locked.lost);
  }

  /** On record first, so that whoever comes after a crash knows that a start is owed; then stopped, or made. */
  async #prepare(seats: Seat[], signal: AbortSignal): Promise<void> {
    const { id } = this.#locked;
    const first = seats.map(({ change }) => change).find((change) => change?.kind === 'admit');
    if (this.#group === undefined) {
      // Nobody leaves a group that is not there.
      if (first !== undefined) await this.#make(newRecord(id, this.#seen.record), first, signal);
      return;
    }
    const record = recordOf(id, this.#seen, this.#group);
    const wantsStart = this.#wasStarted || (first !== undefined && this.#members.size === 0);
    if (!this.#wasStarted) return this.#save(wantsStart ? withDebt(record, 'stopped') : record);
    await this.#save({ ...record, owesStart: 'stopping' });
    this.#throwIfLost();
    this.#stoppedAt = performance.now();
    const readBack = await this.#stop(signal);
    // What grows is refused by a group that is not stopped yet, and not asked for again.
    if (seats.some(({ change }) => change?.kind === 'grow')) await readBack();
    await this.#save({ ...record, owesStart: 'stopped' });
  }

  async #stop(signal: AbortSignal): Promise<ReadBack<void>> {
    try {
      return await this.#remoteCopy.stopGroup(this.#name, signal);
    } catch (thrown) {
      this.#stopIsUnanswered = asDriverError(thrown).code === 'unknown-outcome';
      if (this.#stopIsUnanswered) this.#locked.expectLateStop();
      throw thrown;
    }
  }

  /** A group of ours whose cycle did not see it as wanted may lack its policies or its period. */
  #resume(signal: AbortSignal): void {
    const { id } = this.#locked;
    if (this.#group === undefined || this.#seen.record?.isMade !== true) return;
    const place = placeOfGroup(id.backend, this.#group);
    this.admissions.intoNew(resumeGroup(id, place, signal), place);
  }

  async #make(record: Group, first: Admission, signal: AbortSignal): Promise<void> {
    await this.#save(record);
    try {
      this.admissions.intoNew(await createGroup(this.#locked.id, first, signal), first.place);
      await this.#save({ ...record, isMade: true });
    } catch (thrown) {
      // Somebody else made one in this moment, which is neither ours to use nor to remove.
      if (thrown instanceof DriverError && thrown.code === 'exists') await this.#save(this.#seen.record);
      throw thrown;
    }
  }

  /** False when the array has refused, and that is not told to the seat because it is tried again. */
  async #changeOne(seat: Seat, signal: AbortSignal, isTriedAgain = false): Promise<boolean> {
    const { change } = seat;
    try {
      this.#throwIfLost();
      seat.begin();
      if (change?.kind === 'dismiss') {
        await this.dismissals.dismiss(seat, change.volume, signal);
        this.#members.delete(change.volume);
        return true;
      }
      if (change?.kind === 'grow') await change.grow(signal);
      if (change?.kind === 'admit') {
        // In a group that stays stopped it may be written to before its first start, which would then leave that out for good.
        const isBlank = change.isBlank && this.#record?.owesStart !== undefined;
        await this.admissions.admit(seat, { ...change, isBlank }, signal);
        this.#members.add(change.volume);
      }
      seat.succeed();
    } catch (thrown) {
      const failure = asDriverError(thrown);
      if (isTriedAgain && failure.code === 'refused') return false;
      seat.fail(failure);
    }
    return true;
  }

  /** Returns whether the group is there. */
  async #settle(emptyMayGo: boolean, signal: AbortSignal): Promise<boolean> {
    if (this.#group === undefined && this.#record === this.#seen.record) return false;
    const record = this.#record ?? (this.#group && recordOf(this.#locked.id, this.#seen, this.#group));
    const isEmpty = this.#members.size === 0;
    const mayGo = isEmpty && (record?.createdByUs === true || emptyMayGo);
    // The stop of an empty group that stays protects nobody; it is started again only where we stopped it.
    const isToStart = this.#wasStarted ? this.#stoppedAt !== undefined : !isEmpty || mayGo;
    const owes = record?.owesStart !== undefined && isToStart;
    if (!mayGo && !owes) return true;
    refuseReversed(this.#locked.id, this.#seen);
    this.#throwIfLost();
    const group = { name: this.#name, dismissals: this.dismissals };
    if (mayGo && (await removeIfEmpty(this.#remoteCopy, group, signal))) return false;
    if (owes) await this.#start(signal);
    return true;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { id, logger } = this.#locked;
    if (this.#stoppedAt === undefined && this.#seen.record?.owesStart === 'stopping') {
      const next = `if it was stopped on purpose meanwhile, stop it again: stoprcopygroup ${id.name}`;
      logger.warn('a remote copy group is started again after a stop of ours that got no answer', {
        group: id.name,
        next,
      });
    }
    try {
      const readBack = await this.#remoteCopy.startGroup(this.#name, signal);
      this.admissions.tellRestored();
      this.#started = await readBack();
      this.#tellWindow();
    } catch (thrown) {
      // One that somebody removed meanwhile has nothing left to be started, unless a volume has just joined it.
      if (this.admissions.count > 0 || !(thrown instanceof DriverError) || thrown.code !== 'not-found') throw thrown;
    }
  }

  /** Rule 35: how long the members were without replication. */
  #tellWindow(): void {
    if (this.#stoppedAt === undefined) return;
    const { id, logger } = this.#locked;
    const stoppedMs = Math.round(performance.now() - this.#stoppedAt);
    logger.info('a remote copy group was stopped for a change of its members', { group: id.name, stoppedMs });
  }

  /** The record without the debt; none of a group that is gone, or of somebody else's that nobody of ours has joined. */
  async #file(isThere: boolean, seen: RemoteCopyGroup | undefined): Promise<void> {
    if (this.#record === undefined) return;
    const record = seen === undefined ? this.#record : confirmed(this.#record, seen.remoteName);
    const isForNobody =
      !isThere || (this.#seen.record === undefined && this.admissions.count === 0 && !record.createdByUs);
    if (isForNobody && !(await this.#locked.isReferenced())) await this.#save(undefined);
    else await this.#save(withDebt(record, this.#stopMayComeLate() ? 'stopping' : undefined));
  }

  /** It comes once at most: what is seen stopped is started again, and the next stop is somebody else's. */
  #stopMayComeLate(): boolean {
    if (this.#stopIsUnanswered) return true;
    return this.#seen.record?.owesStart === 'stopping' && this.#wasStarted && this.#locked.stopMayComeLate;
  }

  async #save(record: Group | undefined): Promise<void> {
    if (record === this.#record) return;
    await this.#locked.record(record);
    this.#record = record;
  }
}
