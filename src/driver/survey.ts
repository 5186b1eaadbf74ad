import type { Backend } from '../backend/backend.js';
import type { ArrayClient } from '../contracts/array.js';
import type { ListedVolume } from '../contracts/inventory.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { RemoteCopyGroup, Side } from '../domain/replication.js';
import { parseTag, type Tag } from '../domain/tag.js';

/** What one array has; several backends may use it. */
export interface SeenArray {
  label: string;
  systemId: number;
  volumes: Map<string, ListedVolume>;
  /** Those that carry our tag. */
  tagged: { listed: ListedVolume; tag: Tag }[];
  /** Hosts that a volume is exported to, by its name. */
  exports: Map<string, string[]>;
  /** Asked only where a backend replicates. */
  groups: RemoteCopyGroup[];
}

/** The arrays of each backend, each array once. */
export type Survey = Map<Backend, Partial<Record<Side, SeenArray>>>;

/** Reads everything that the arrays of these backends have. @throws `unavailable` when one does not answer: half of it proves nothing */
export async function surveyArrays(backends: Backend[], signal: AbortSignal): Promise<Survey> {
  const seen = new Map<number, Promise<SeenArray>>();
  const replicating = await systemIdsOf(
    backends.filter((each) => each.settings.replication !== undefined),
    signal,
  );
  const survey: Survey = new Map();
  for (const backend of backends) {
    const arrays: Partial<Record<Side, SeenArray>> = {};
    for (const side of backend.sides) {
      const array = backend.array(side);
      const { systemId } = await identityOf(array, signal);
      const look = seen.get(systemId) ?? lookAt(array, { systemId, hasGroups: replicating.has(systemId) }, signal);
      seen.set(systemId, look);
      arrays[side] = await look;
    }
    survey.set(backend, arrays);
  }
  return survey;
}

async function systemIdsOf(backends: Backend[], signal: AbortSignal): Promise<Set<number>> {
  const arrays = backends.flatMap((backend) => backend.sides.map((side) => backend.array(side)));
  return new Set(await Promise.all(arrays.map(async (array) => (await identityOf(array, signal)).systemId)));
}

async function identityOf(array: ArrayClient, signal: AbortSignal): Promise<{ systemId: number }> {
  try {
    return await array.identity(signal);
  } catch (thrown) {
    const cause = asDriverError(thrown);
    throw new DriverError(cause.code, `${cause.message}; all arrays have to answer, so nothing was changed`, {
      cause,
      next: cause.next ?? 'bring the array back, then repeat the command',
    });
  }
}

async function lookAt(
  array: ArrayClient,
  { systemId, hasGroups }: { systemId: number; hasGroups: boolean },
  signal: AbortSignal,
): Promise<SeenArray> {
  const [volumes, vluns, groups] = await Promise.all([
    array.inventory.listVolumes(signal),
    array.inventory.listVluns(signal),
    hasGroups ? array.remoteCopy.listGroups(signal) : [],
  ]);
  const exports = new Map<string, string[]>();
  for (const { volume, host } of vluns) {
    const hosts = exports.get(volume) ?? [];
    if (!hosts.includes(host)) exports.set(volume, [...hosts, host]);
  }
  const tagged = volumes.flatMap((listed) => {
    const tag = parseTag(listed.comment);
    return tag === undefined ? [] : [{ listed, tag }];
  });
  const byName = new Map(volumes.map((each) => [each.name, each]));
  return { label: array.label, systemId, volumes: byName, tagged, exports, groups };
}
