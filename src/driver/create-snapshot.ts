import type { MetadataStore } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import type { Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import { refuseForeignMountOptions } from './copy-source.js';
import { refuseDifferent, type Compared } from './existing.js';
import { getGroup } from './inventory.js';
import { volumeKey } from './keys.js';
import type { Operations } from './operations.js';
import { planSnapshot, snapshotSaga, type SnapshotPlan, type SnapshotRequest } from './snapshot.js';
import { findScheduleOwner } from './snapshots-of.js';

/**
 * `docker volume create` with `virtualCopyOf`. Holds the lock of the parent, too: it is not removed meanwhile, and what a Mount
 * makes of it is finished.
 */
export async function createSnapshot(
  { ctx, operations }: { ctx: DriverContext; operations: Operations },
  { name, request }: { name: string; request: SnapshotRequest },
  signal: AbortSignal,
): Promise<void> {
  const { store, backends, logger } = ctx;
  if (name === request.of) throw new DriverError('invalid', `volume ${name} cannot be a snapshot of itself`);
  await operations.withVolume(
    { volume: name, keys: [volumeKey(request.of)] },
    signal,
    async (held, { volume: existing }) => {
      if (existing !== undefined) return refuseDifferent(name, compare(existing, request));
      const parent = await store.find('volume', request.of, held.signal);
      if (parent === undefined) {
        throw new DriverError('not-found', `there is no volume ${request.of} that a snapshot could be made of`, {
          next: 'see the names with: docker volume ls',
        });
      }
      refuseForeignMountOptions(parent, request.mountOptions);
      const backend = backends.get(parent.spec.backend);
      const group = await getGroup(store, parent, held.signal);
      const plan = await planSnapshot(backend, { name, parent, group, request }, held.signal);
      await refuseSharedSchedule(store, plan, held.signal);
      if (plan.warning !== undefined) logger.warn(plan.warning, { volume: name });
      const claim = [{ put: 'volume' as const, key: name, value: plan.volume }];
      await held.run(snapshotSaga(backend, plan), { plan, volume: name, claim });
      return undefined;
    },
  );
}

/** Its own removal may have ended it on the array, and will do so again. */
async function refuseSharedSchedule(store: MetadataStore, plan: SnapshotPlan, signal: AbortSignal): Promise<void> {
  const { side, schedule, parent } = plan;
  const owner = schedule && (await findScheduleOwner(store, { side, schedule }, signal));
  if (owner === undefined) return;
  const text = `schedule ${schedule?.name} of volume ${parent.name} belongs to snapshot ${owner.name}, which is ${owner.state}`;
  throw new DriverError('exists', text, {
    next: `choose another scheduleName, or try again when ${owner.name} is removed; nothing was changed`,
  });
}

/** Records of an earlier release, and those that were rebuilt, know only when it ends. */
const hoursOf = (wanted: number | undefined, hours: number | undefined, endsAt: string | undefined) =>
  hours ?? (endsAt === undefined ? undefined : (wanted ?? 'some'));

function compare({ origin, spec }: Volume, request: SnapshotRequest): Compared[] {
  const { of, life, schedule, mountConflictDelay, mountOptions } = request;
  const is = origin?.kind === 'snapshot' ? origin : undefined;
  const { expirationHours, retentionHours } = life;
  return [
    ['virtualCopyOf', of, is?.of],
    ['expirationHours', expirationHours, hoursOf(expirationHours, is?.expirationHours, is?.expiresAt)],
    ['retentionHours', retentionHours, hoursOf(retentionHours, is?.retentionHours, is?.retainedUntil)],
    ['scheduleName', schedule?.name, is?.schedule?.name],
    ['scheduleFrequency', schedule?.frequency, is?.schedule?.frequency],
    ['snapshotPrefix', schedule?.prefix, is?.schedule?.prefix],
    ['expHrs', schedule?.expirationHours, is?.schedule?.expirationHours],
    ['retHrs', schedule?.retentionHours, is?.schedule?.retentionHours],
    ['mountConflictDelay', mountConflictDelay ?? spec.mountConflictDelay, spec.mountConflictDelay],
    ['mountOptions', mountOptions ?? spec.mountOptions, spec.mountOptions],
  ];
}
