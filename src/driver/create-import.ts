import { DriverError } from '../domain/errors.js';
import type { Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import { importSaga, planImport, type ImportRequest } from './import.js';
import type { Operations } from './operations.js';

/** `docker volume create` with `importVol`. Two nodes do not take the same volume over at once. */
export async function createImport(
  { ctx, operations }: { ctx: DriverContext; operations: Operations },
  { name, request }: { name: string; request: ImportRequest },
  signal: AbortSignal,
): Promise<void> {
  const { store, backends } = ctx;
  const backend = backends.get(request.backend);
  const keys = [`volume-of-array/${request.backend}/${request.arrayVolume}`];
  await operations.withVolume({ volume: name, keys }, signal, async (held) => {
    const existing = await store.find('volume', name, held.signal);
    if (existing !== undefined) return refuseDifferent(existing, request);
    const plan = await planImport(backend, { name, request }, held.signal);
    const claim = [{ put: 'volume' as const, key: name, value: plan.volume }];
    await held.run(importSaga(backend, plan), { plan, volume: name, claim });
    return undefined;
  });
}

/** The same command again is success, as dockerd repeats it on each node. */
function refuseDifferent({ name, origin, spec }: Volume, request: ImportRequest): void {
  const pairs: [string, string | number | undefined, string | number | undefined][] = [
    ['importVol', request.arrayVolume, origin?.kind === 'import' ? origin.formerName : undefined],
    ['backend', request.backend, spec.backend],
    ['mountConflictDelay', request.mountConflictDelay, spec.mountConflictDelay],
    ['mountOptions', request.mountOptions, spec.mountOptions],
  ];
  const differences = pairs
    .filter(([, wanted, found]) => wanted !== found)
    .map(([option, wanted, found]) => `${option}: wanted ${wanted ?? 'none'}, is ${found ?? 'none'}`);
  if (differences.length === 0) return;
  throw new DriverError('exists', `volume ${name} exists already with other options (${differences.join('; ')})`, {
    next: 'use it as it is, or choose another name',
  });
}
