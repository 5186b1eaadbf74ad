import type { Backend } from '../backend/backend.js';
import type { CreateVolume } from '../contracts/array.js';
import type { Write } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import { ownershipTag } from '../domain/names.js';
import { cpgsOn } from '../domain/place.js';
import type { Volume } from '../domain/volume.js';
import type { Saga } from '../saga/saga.js';
import {
  admitStep,
  copyStep,
  despiteLateAdmission,
  enter,
  readBackOf,
  startStep,
  type CreateDoor,
  type CreateFacts,
  type CreateStep,
  type Making,
} from './join-group.js';
import type { CreatePlan } from './plan-create.js';
import { deleteDespiteSets, joinSteps } from './volume-sets.js';

/*
 * States that a crash or a failure can leave, and what undo makes of each:
 * - the operation only                         → the records go
 * - volume on the primary array                → deleted by its tag
 * - member admitted, secondary volume untagged → dismissed in a cycle of its group, which starts the group for its other
 *                                                members or removes it, and then the secondary deleted by its planned name
 * - tagged, group started with the member      → as before
 * What a cycle leaves of the group itself is the group's own affair: see group-cycle.ts.
 */

export function createSaga(backend: Backend, plan: CreatePlan, door: CreateDoor): Saga<CreatePlan, CreateFacts, Write> {
  const { volume } = plan;
  const making: Making = { backend, plan, door, underWay: {} };
  const steps: CreateStep[] = [createVolumeStep(making), ...joinSteps(backend, volume)];
  if (volume.spec.replicationGroup === undefined) steps.push(readBackStep(making));
  else steps.push(copyStep(making), admitStep(making), startStep(making));
  return {
    kind: 'create',
    afterCrash: 'undo',
    steps,
    result: (_plan, facts) => [{ put: 'volume', key: volume.name, value: readyVolume(volume, facts) }],
    undone: () => [{ remove: 'volume', key: volume.name }],
  };
}

function readyVolume(volume: Volume, facts: CreateFacts): Volume {
  const wwn = {
    ...(facts.primaryWwn === undefined ? {} : { primary: facts.primaryWwn }),
    ...(facts.secondaryWwn === undefined ? {} : { secondary: facts.secondaryWwn }),
  };
  return { ...volume, state: 'ready', wwn };
}

function createVolumeStep({ backend, plan, door, underWay }: Making): CreateStep {
  const array = backend.array('primary');
  const remove = async (volume: Volume, signal: AbortSignal): Promise<void> =>
    deleteDespiteSets(backend, volume, {
      remove: async () => array.removeVolume(volume.arrayName, ownershipTag(volume), signal),
      signal,
    });
  return {
    name: 'create the volume on the primary array',
    async do({ plan: { volume }, facts, signal }) {
      const looking = enter({ backend, plan, door, underWay }, signal);
      // Heard of below, or of no interest any more.
      looking.catch(() => undefined);
      try {
        underWay.readBack = await array.makeVolume(wantedVolume(volume), signal);
      } catch (thrown) {
        facts.hasNoVolume = asDriverError(thrown).code === 'unavailable';
        throw thrown;
      }
      const group = await looking;
      return group === undefined ? {} : { group };
    },
    async undo({ plan: { volume }, facts, signal }) {
      // The others in the cycle need not wait for it.
      door.entrance?.seat.leave();
      if (facts.hasNoVolume === true) return;
      await despiteLateAdmission({ backend, plan, door, underWay }, facts, {
        remove: async () => remove(volume, signal),
        signal,
      });
    },
    undoLate: async ({ plan: { volume }, signal }) => remove(volume, signal),
  };
}

const wantedVolume = (volume: Volume): CreateVolume => ({
  name: volume.arrayName,
  ...cpgsOn(volume, 'primary'),
  sizeMiB: volume.spec.sizeGiB * 1024,
  provisioning: volume.spec.provisioning,
  compression: volume.spec.compression,
  tag: ownershipTag(volume),
});

/** A volume without a group: all that is left is to see it. */
function readBackStep({ underWay }: Making): CreateStep {
  return {
    name: 'read the volume back',
    onlyLooks: true,
    do: async () => ({ primaryWwn: (await readBackOf(underWay)).wwn }),
  };
}
