import type { Backend } from '../backend/backend.js';
import type { SnapshotLook } from '../contracts/snapshots.js';
import { DriverError } from '../domain/errors.js';
import type { Origin, Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import { FOREIGN_LOCK_WAIT_MS, type Operations } from './operations.js';

/** By this host's clock, which decides nothing: from then on the array is asked. */
const ASKED_BEFORE_MS = 24 * 60 * 60_000;

type SnapshotOrigin = Extract<Origin, { kind: 'snapshot' }>;

/** Snapshots whose expiry is near or past, and that only their array can still have. */
export function expiringSnapshots(volumes: Volume[], now: Date): Volume[] {
  return volumes.filter(({ origin, state }) => {
    // One with a schedule stays: without its record nobody would end the schedule.
    if (state !== 'ready' || origin?.kind !== 'snapshot' || origin.schedule !== undefined) return false;
    return origin.expiresAt !== undefined && Date.parse(origin.expiresAt) - now.getTime() < ASKED_BEFORE_MS;
  });
}

/**
 * Whether it is worth asking: its time is over by the array's clock, as that was at its last answer to anybody. Where that is not known,
 * asking tells.
 */
export function mayBeGone(backend: Backend | undefined, { origin }: Volume): boolean {
  if (origin?.kind !== 'snapshot' || origin.expiresAt === undefined) return false;
  // hpe.conf may have lost the array.
  const array = backend?.sides.includes(origin.side) === true ? backend.array(origin.side) : undefined;
  const ahead = array?.lastContact()?.clockAheadMs;
  return ahead === undefined || Date.now() + ahead >= Date.parse(origin.expiresAt);
}

/**
 * Forgets a snapshot that its array has deleted: only when the array says that it is gone, at a time of its own clock at which
 * it had expired (rule 43), and nobody has it attached.
 */
export async function forgetExpired(
  { ctx, operations }: { ctx: DriverContext; operations: Operations },
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const { backends, journal, logger } = ctx;
  const on = { volume: name, keys: [], lockWaitMs: FOREIGN_LOCK_WAIT_MS };
  await operations.withVolume(on, signal, async (held, { volume, attachment }) => {
    if (volume === undefined || expiringSnapshots([volume], new Date()).length === 0) return;
    if (attachment !== undefined || journal.findMount(name) !== undefined) return;
    const look = await lookAt(backends.get(volume.spec.backend), volume, held.signal);
    if (look === undefined || !isExpired(look.origin, look.seen)) return;
    await held.commit([{ remove: 'volume', key: name }]);
    const { of, expiresAt } = look.origin;
    logger.info(`snapshot ${name} of volume ${of} has expired: the array deleted it`, { volume: name, expiresAt });
  });
}

async function lookAt(
  backend: Backend,
  { origin, arrayName }: Volume,
  signal: AbortSignal,
): Promise<{ origin: SnapshotOrigin; seen: SnapshotLook } | undefined> {
  if (origin?.kind !== 'snapshot') return undefined;
  return { origin, seen: await backend.array(origin.side).snapshots.look(arrayName, signal) };
}

/** The array's time and the expiry that it told are both its own. */
const isExpired = ({ expiresAt }: SnapshotOrigin, { snapshot, arrayTime }: SnapshotLook): boolean =>
  snapshot === undefined &&
  expiresAt !== undefined &&
  arrayTime !== undefined &&
  Date.parse(arrayTime) >= Date.parse(expiresAt);

/** Says so before anything is exported. @throws `not-found` when the array has no such snapshot any more */
export async function refuseVanished(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
  const look = await lookAt(backend, volume, signal);
  if (look === undefined || look.seen.snapshot !== undefined) return;
  const { origin, seen } = look;
  const why = isExpired(origin, seen) ? `it expired at ${origin.expiresAt}` : 'somebody removed it there';
  throw new DriverError(
    'not-found',
    `${backend.array(origin.side).label} does not have snapshot ${volume.name} (${volume.arrayName}) of volume ${origin.of} any more: ${why}`,
    { next: `make a new snapshot under another name; this one goes with: docker volume rm ${volume.name}` },
  );
}
