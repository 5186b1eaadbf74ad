import type { NewGroup, RemoteCopy } from '../contracts/array.js';
import type { DriverError } from '../domain/errors.js';
import { isSamePlace, type Place } from '../domain/place.js';
import type { RemoteCopyGroup } from '../domain/replication.js';
import { lockLost, notAdmitted, otherPlace } from './group-failures.js';
import { isMember } from './group-record.js';
import type { Admission, Seat } from './seat.js';
import type { GroupId } from './seen-group.js';

/** Admissions that are asked for at once: as many as there are connections to an array. */
const AT_ONCE = 12;

/** Those whom one cycle admits, and what is to be seen of them when it is over. */
export class Admissions {
  readonly #id: GroupId;
  readonly #remoteCopy: RemoteCopy;
  readonly #name: string;
  readonly #acknowledged: { seat: Seat; volume: string }[] = [];
  #made: { group: NewGroup; place: Place } | undefined;
  #unset: DriverError | undefined;
  /** Those whose admission was acknowledged, and who are no members in the end. */
  readonly missing = new Map<Seat, DriverError>();

  /** @param name as the array calls the group */
  constructor(id: GroupId, remoteCopy: RemoteCopy, name: string) {
    this.#id = id;
    this.#remoteCopy = remoteCopy;
    this.#name = name;
  }

  get count(): number {
    return this.#acknowledged.length;
  }

  /** They go into a group that the cycle has made; all others were compared when they were seen. */
  intoNew(group: NewGroup, place: Place): void {
    this.#made = { group, place };
  }

  /** Its policies and its period do not depend on its members. */
  async setUp(): Promise<void> {
    try {
      await this.#made?.group.set();
    } catch (thrown) {
      this.#unset = lockLost(thrown);
    }
  }

  /** @throws why the new group did not get its policies or its period: then it is not started */
  throwIfUnset(): void {
    if (this.#unset !== undefined) throw this.#unset;
  }

  async admit(seat: Seat, { volume, place, isBlank }: Admission, signal: AbortSignal): Promise<void> {
    if (this.#made !== undefined && !isSamePlace(this.#made.place, place)) throw otherPlace(this.#name);
    const { target, differentSecondaryWwn } = this.#id.backend.replication();
    await this.#remoteCopy.admit({ group: this.#name, volume, target, differentSecondaryWwn, isBlank }, signal);
    this.#acknowledged.push({ seat, volume });
  }

  /** From here on nobody waits for the group, and what is not urgent may be asked. */
  tellRestored(): void {
    for (const { seat } of this.#acknowledged) seat.restore();
  }

  /** What was acknowledged and not looked at yet, for all at once (rule 31). Returns the group, when there was something to be seen. */
  async readBack(started: RemoteCopyGroup | undefined, signal: AbortSignal): Promise<RemoteCopyGroup | undefined> {
    if (this.count === 0 && this.#made === undefined) return undefined;
    this.tellRestored();
    const found = started ?? (await this.#remoteCopy.findGroup(this.#name, signal));
    const group = this.#made === undefined ? found : await this.#made.group.confirm(found);
    for (const { seat, volume } of this.#acknowledged) {
      if (!isMember(group, volume)) this.missing.set(seat, notAdmitted(this.#id, volume));
    }
    return group;
  }
}

/**
 * Several at once. Whoever is refused then is asked for once more, alone: no source says how many admissions of one group an
 * array takes at a time. Returns those for whom the time did not suffice.
 * @param admit returns false when it was refused, and that is not final
 */
export async function sideBySide(
  seats: Seat[],
  until: number,
  admit: (seat: Seat, isTriedAgain: boolean) => Promise<boolean>,
): Promise<Seat[]> {
  const waiting = [...seats];
  const refused: Seat[] = [];
  const later: Seat[] = [];
  const admitNext = async (): Promise<void> => {
    for (let seat = waiting.shift(); seat !== undefined; seat = waiting.shift()) {
      if (performance.now() > until) later.push(seat);
      else if (!(await admit(seat, seats.length > 1))) refused.push(seat);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, admitNext));
  for (const seat of refused) {
    if (performance.now() > until) later.push(seat);
    else await admit(seat, false);
  }
  return later;
}
