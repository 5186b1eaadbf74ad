import type { Backend } from '../backend/backend.js';
import { askActiveSide } from '../backend/observe.js';
import { asDriverError } from '../domain/errors.js';
import { within } from '../domain/signals.js';
import type { Volume } from '../domain/volume.js';
import { commitUnder } from './commit-under.js';
import type { DriverContext } from './context.js';
import { getGroup } from './inventory.js';
import { groupKey, groupRecordKey } from './keys.js';
import { mountQuestion, withActive } from './plan-mount.js';

/** Long enough for arrays that answer; an Unmount has to end also when one does not. */
const NOTE_TIMEOUT_MS = 4_000;

/**
 * What is attached to both arrays follows the role from one to the other without anybody asking here. The side that it was last
 * used on goes on record (rule 5), or the copy that stayed behind would count as good again before it is synced (rule 7). The
 * group's lock must not be held. Never throws: what cannot be found out is found out by a later look.
 */
export async function noteActiveSide(
  ctx: DriverContext,
  { backend, volume }: { backend: Backend; volume: Volume },
  caller: AbortSignal,
): Promise<void> {
  const name = volume.spec.replicationGroup;
  if (name === undefined) return;
  const { store, logger } = ctx;
  const signal = within(NOTE_TIMEOUT_MS, caller);
  try {
    const lock = groupKey(backend.name, name);
    await commitUnder(
      { store, lock },
      async () => {
        const group = await getGroup(store, volume, signal);
        if (group === undefined) return [];
        const { verdict } = await askActiveSide(mountQuestion({ backend, volume, group }, undefined), signal);
        if (verdict.side === undefined || verdict.side === group.lastActive) return [];
        const { side, row } = verdict;
        logger.info('the volume went on from the other array', { volume: volume.name, group: name, side, row });
        const value = withActive(group, { side, row, overridden: false });
        return [{ put: 'group', key: groupRecordKey(backend.name, name), value }];
      },
      signal,
    );
  } catch (thrown) {
    const { message: reason } = asDriverError(thrown);
    logger.warn('which array was used last could not be put on record', { volume: volume.name, group: name, reason });
  }
}
