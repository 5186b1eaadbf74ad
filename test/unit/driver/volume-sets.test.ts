import { describe, expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { Volume } from '../../../src/domain/volume.js';
import { deleteDespiteSets, leaveSteps, type SetFacts } from '../../../src/driver/volume-sets.js';

const VOLUME: Volume = {
  name: 'v',
  id: 'd03338a9-9115-48a3-8dfc-35cdfcdc15a7',
  spec: {
    sizeGiB: 1,
    provisioning: 'thin',
    compression: false,
    fsType: 'ext4',
    backend: 'plain',
    mountConflictDelay: 30,
    qosName: 'gold',
    flashCache: true,
  },
  arrayName: 'dcv-0DM4qZEVSKON-DXN-NwVpw',
  cpg: { primary: 'c' },
  snapCpg: { primary: 'c' },
  wwn: {},
  state: 'creating',
  filesystem: { state: 'never' },
  everMounted: false,
  createdAt: '2026-01-02T03:04:05.000Z',
};

/** What is asked of the array; the volume is refused while it is in a set. */
function arrayWith(isInSet: boolean): { backend: Backend; calls: string[]; remove: () => Promise<void> } {
  const calls: string[] = [];
  let inSet = isInSet;
  const told = async (call: string): Promise<void> => {
    calls.push(call);
    await Promise.resolve();
  };
  const volumeSets = {
    removeMember: async (set: string, volume: string) => told(`${volume} leaves ${set}`),
    removeSet: async (set: string) => {
      inSet = false;
      await told(`${set} goes`);
    },
  };
  const backend = new Backend(
    { name: 'plain', cpg: VOLUME.cpg, snapCpg: VOLUME.snapCpg },
    { primary: { volumeSets } as unknown as ArrayClient },
  );
  const remove = async (): Promise<void> => {
    await told('delete');
    if (inSet) throw new DriverError('refused', 'the volume is in a volume set');
  };
  return { backend, calls, remove };
}

const LEFT = [`${VOLUME.arrayName} leaves gold`, 'vvs-0DM4qZEVSKON-DXN-NwVpw goes'];

describe('the deletion of a new volume', () => {
  const signal = AbortSignal.timeout(5_000);

  it('takes it out of the sets that the array put it into late', async () => {
    const { backend, calls, remove } = arrayWith(true);
    await deleteDespiteSets(backend, VOLUME, { remove, signal });
    expect(calls).toEqual(['delete', ...LEFT, 'delete']);
  });

  it('asks for no set when nothing is in the way', async () => {
    const { backend, calls, remove } = arrayWith(false);
    await deleteDespiteSets(backend, VOLUME, { remove, signal });
    expect(calls).toEqual(['delete']);
  });

  it('leaves a refusal as it is of a volume that never had sets', async () => {
    const { backend, calls, remove } = arrayWith(true);
    const { qosName: _gold, flashCache: _cache, ...spec } = VOLUME.spec;
    const deletion = deleteDespiteSets(backend, { ...VOLUME, spec }, { remove, signal });
    await expect(deletion).rejects.toThrow('the volume is in a volume set');
    expect(calls).toEqual(['delete']);
  });
});

describe('the removal of a volume that is in sets', () => {
  it('puts it back into them also when it was killed, or got no answer, after it had left', async () => {
    const calls: string[] = [];
    let members = [VOLUME.arrayName];
    const lose = async (): Promise<void> => {
      members = [];
      await Promise.reject(new DriverError('unknown-outcome', 'its answer was lost'));
    };
    const volumeSets = {
      findSet: async (name: string) =>
        Promise.resolve(members.length === 0 ? undefined : { name, members, comment: '', flashCache: true }),
      removeMember: async () => (members.length === 0 ? Promise.resolve() : lose()),
      removeSet: lose,
      ensureMember: async (name: string) => Promise.resolve(calls.push(name)),
      ensureCachedSet: async ({ name }: { name: string }) => Promise.resolve(calls.push(name)),
    };
    const settings = { name: 'plain', cpg: VOLUME.cpg, snapCpg: VOLUME.snapCpg };
    const backend = new Backend(settings, { primary: { volumeSets } as unknown as ArrayClient });
    for (const step of leaveSteps(backend, VOLUME)) {
      members = [VOLUME.arrayName];
      const facts: SetFacts = {};
      let onRecord: SetFacts = {};
      const record = async (): Promise<void> => {
        onRecord = structuredClone(facts);
        await Promise.resolve();
      };
      const context = { plan: { volume: VOLUME }, signal: AbortSignal.timeout(5_000), record };
      await expect(step.do?.({ ...context, facts })).rejects.toThrow('lost');
      await step.do?.({ ...context, facts: onRecord });
      await step.undo?.({ ...context, facts: onRecord });
    }
    expect(calls).toEqual(['gold', 'vvs-0DM4qZEVSKON-DXN-NwVpw']);
  });
});
