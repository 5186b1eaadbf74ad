import type { Volume } from '../domain/volume.js';
import type { DriverContext } from './context.js';
import { refuseDifferent, type Compared } from './existing.js';
import { importSaga, planImport, type ImportRequest } from './import.js';
import type { Operations } from './operations.js';

/** `docker volume create` with `importVol`. Two nodes do not take the same volume over at once. */
export async function createImport(
  { ctx, operations }: { ctx: DriverContext; operations: Operations },
  { name, request }: { name: string; request: ImportRequest },
  signal: AbortSignal,
): Promise<void> {
  const { backends } = ctx;
  const backend = backends.get(request.backend);
  const keys = [`volume-of-array/${request.backend}/${request.arrayVolume}`];
  await operations.withVolume({ volume: name, keys }, signal, async (held, { volume: existing }) => {
    if (existing !== undefined) return refuseDifferent(name, compare(existing, request));
    const plan = await planImport(backend, { name, request }, held.signal);
    const claim = [{ put: 'volume' as const, key: name, value: plan.volume }];
    await held.run(importSaga(backend, plan), { plan, volume: name, claim });
    return undefined;
  });
}

function compare({ origin, spec }: Volume, request: ImportRequest): Compared[] {
  return [
    ['importVol', request.arrayVolume, origin?.kind === 'import' ? origin.formerName : undefined],
    ['backend', request.backend, spec.backend],
    ['mountConflictDelay', request.mountConflictDelay, spec.mountConflictDelay],
    ['mountOptions', request.mountOptions, spec.mountOptions],
  ];
}
