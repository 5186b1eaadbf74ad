import { DriverError } from '../domain/errors.js';
import type { Volume } from '../domain/volume.js';
import { cloneSaga, planClone, type CloneRequest } from './clone.js';
import type { DriverContext } from './context.js';
import { refuseForeignMountOptions } from './copy-source.js';
import { refuseDifferent, type Compared } from './existing.js';
import { getGroup } from './inventory.js';
import { volumeKey } from './keys.js';
import type { Held, Operations } from './operations.js';

/**
 * `docker volume create` with `cloneOf`. Holds the lock of the source, too: it is not removed meanwhile, and what a Mount makes
 * of it is finished. The copy itself goes on in the array.
 */
export async function createClone(
  { ctx, operations }: { ctx: DriverContext; operations: Operations },
  { name, request }: { name: string; request: CloneRequest },
  signal: AbortSignal,
): Promise<void> {
  const { store, backends, logger } = ctx;
  if (name === request.of) throw new DriverError('invalid', `volume ${name} cannot be a clone of itself`);
  await operations.withVolume(
    { volume: name, keys: [volumeKey(request.of)] },
    signal,
    async (held, { volume: existing }) => {
      if (existing !== undefined) return refuseDifferent(name, compare(existing, request));
      const source = await getSource(ctx, request.of, held);
      refuseForeignMountOptions(source, request.mountOptions);
      const backend = backends.get(source.spec.backend);
      const group = await getGroup(store, source, held.signal);
      const plan = await planClone(backend, { name, source, group, request }, held.signal);
      if (plan.warning !== undefined) logger.warn(plan.warning, { volume: name });
      const claim = [{ put: 'volume' as const, key: name, value: plan.volume }];
      await held.run(cloneSaga(backend, plan), { plan, volume: name, claim });
      return undefined;
    },
  );
}

async function getSource({ store }: DriverContext, name: string, held: Held): Promise<Volume> {
  const [source, open] = await Promise.all([
    store.find('volume', name, held.signal),
    store.find('operation', name, held.signal),
  ]);
  if (source === undefined) {
    throw new DriverError('not-found', `there is no volume ${name} that could be cloned`, {
      next: 'see the names with: docker volume ls',
    });
  }
  if (open === undefined) return source;
  throw new DriverError('busy', `an earlier ${open.kind} of volume ${name} is not finished`, {
    next: 'see that both arrays answer; it finishes by itself within a minute or two, then try again',
  });
}

function compare({ origin, spec, growth }: Volume, request: CloneRequest): Compared[] {
  const sizeGiB = growth?.toGiB ?? spec.sizeGiB;
  const { mountConflictDelay, mountOptions, cpg, snapCpg } = spec;
  return [
    ['cloneOf', request.of, origin?.kind === 'clone' ? origin.of : undefined],
    ['size', request.sizeGiB ?? sizeGiB, sizeGiB],
    ['cpg', request.cpg ?? cpg, cpg],
    ['snapcpg', request.snapCpg ?? snapCpg, snapCpg],
    ['mountConflictDelay', request.mountConflictDelay ?? mountConflictDelay, mountConflictDelay],
    ['mountOptions', request.mountOptions ?? mountOptions, mountOptions],
  ];
}
