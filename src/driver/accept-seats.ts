import { asDriverError, type DriverError } from '../domain/errors.js';
import { within } from '../domain/signals.js';
import { isMember, isStarted } from './group-record.js';
import type { LockedGroup } from './locked-group.js';
import type { Seat } from './seat.js';
import { viewOfGroup, type SeenGroup } from './seen-group.js';

/** Older answers than this, in ms, are asked for again before the first change; before a refusal they have to be fresher. */
const FRESH_MS = 5_000;
const FRESH_FOR_REFUSAL_MS = 1_000;

/** Time has passed since the plans were made: what was seen has to be fresh, and to allow each change still. */
export async function acceptSeats(
  locked: Pick<LockedGroup, 'lost' | 'look'>,
  { seen, seats, timeoutMs }: { seen: SeenGroup; seats: Seat[]; timeoutMs: number },
): Promise<{ seen: SeenGroup; seats: Seat[] }> {
  const mayRefuse = refusalsOf(seen, seats).size > 0;
  const age = performance.now() - seen.at;
  const isFresh = age < (mayRefuse ? FRESH_FOR_REFUSAL_MS : FRESH_MS) && !mayHaveStarted(seen, seats);
  const signal = within(timeoutMs, locked.lost);
  const latest = isFresh ? seen : await locked.look(signal);
  const refusals = refusalsOf(latest, seats);
  for (const [seat, refusal] of refusals) seat.fail(refusal);
  return { seen: latest, seats: seats.filter((seat) => !refusals.has(seat)) };
}

/**
 * Arrays start a group that an outage has stopped by themselves when both are there again, and then refuse changes of its members. One
 * array's answer may be from before that, since the other one was waited for.
 */
function mayHaveStarted(seen: SeenGroup, seats: Seat[]): boolean {
  if (seats.every(({ change }) => change?.kind === 'tidy')) return false;
  // While one is silent nothing starts, and whoever waits for the group is not to wait for that array twice.
  if (Object.values(seen.failures).some(({ silent }) => silent)) return false;
  return Object.values(seen.groups).some((group) => group.members.length > 0 && !isStarted(group));
}

function refusalsOf(seen: SeenGroup, seats: Seat[]): Map<Seat, DriverError> {
  const refusals = new Map<Seat, DriverError>();
  for (const seat of seats) {
    try {
      const { group } = viewOfGroup(seen);
      const { change } = seat;
      if (change?.kind === 'admit' || change?.kind === 'grow') change.check(seen);
      // What is no member needs no permission to leave.
      if (change?.kind === 'dismiss' && isMember(group, change.volume)) change.check(seen);
    } catch (thrown) {
      refusals.set(seat, asDriverError(thrown));
    }
  }
  return refusals;
}
