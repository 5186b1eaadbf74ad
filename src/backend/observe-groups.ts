import type { Group, RemoteCopyGroup, Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { Backend } from './backend.js';
import { askOneSide, silence, type GroupObservation, type SideFailure } from './observe.js';

/** A list of all takes an array longer than one group. */
const LIST_TIMEOUT_MS = 10_000;

/**
 * Asks both arrays of a pair for many groups, and answers in their order: each array is asked for all of them at once, and again
 * for one that its list lacks. A silent array is a finding, not an error.
 */
export async function observeGroups(
  backend: Backend,
  groups: readonly Pick<Group, 'name' | 'remoteName'>[],
  signal: AbortSignal,
): Promise<GroupObservation[]> {
  const observations = groups.map((): GroupObservation => ({ groups: {}, failures: {} }));
  await Promise.all(
    (['primary', 'secondary'] as const).map(async (side) => {
      const list = await listOneSide(backend, side, signal);
      await Promise.all(
        observations.map(async (observation, index) => {
          const name = side === 'primary' ? groups[index]?.name : groups[index]?.remoteName;
          const found = list.groups?.find((each) => each.name === name);
          if (found !== undefined) observation.groups[side] = found;
          else if (list.failure !== undefined) observation.failures[side] = list.failure;
          else await askOneSide({ backend, observation, signal }, side, name);
        }),
      );
    }),
  );
  return observations;
}

interface Listed {
  groups?: RemoteCopyGroup[];
  failure?: SideFailure;
}

async function listOneSide(backend: Backend, side: Side, signal: AbortSignal): Promise<Listed> {
  try {
    return { groups: await backend.array(side).remoteCopy.listGroups(within(LIST_TIMEOUT_MS, signal)) };
  } catch (thrown) {
    signal.throwIfAborted();
    return { failure: silence(thrown) };
  }
}
