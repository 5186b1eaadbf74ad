import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { arrayVolumeName } from '../domain/names.js';
import type { Volume, VolumeSpec } from '../domain/volume.js';
import { checkOptions } from './check-options.js';
import { checkWitness } from './fail-over-policies.js';
import type { Look } from './group-cycles.js';
import { planGroup } from './plan-group.js';

export interface CreatePlan {
  volume: Volume;
  /** Of its CPG, where that was looked up. */
  domain?: string;
}

/** An array that has answered within this time, in ms, is asked for the volume at once; another one is asked first whether it is there. */
const HEARD_MS = 20_000;

/**
 * Fixes every name and checks what the options name; reads only. Looks at the group when an array was not heard of lately: in an outage
 * nothing is begun then. @throws `refused` or `unavailable`
 */
export async function planCreate(
  backend: Backend,
  wanted: { name: string; spec: VolumeSpec; look: Look | undefined },
  signal: AbortSignal,
): Promise<CreatePlan> {
  const { name, spec, look } = wanted;
  const place = backend.placeOf(spec);
  const id = randomUUID();
  const volume: Volume = {
    name,
    id,
    spec,
    arrayName: arrayVolumeName(id),
    ...place,
    wwn: {},
    state: 'creating',
    filesystem: { state: 'never' },
    everMounted: false,
    createdAt: new Date().toISOString(),
  };
  const group = spec.replicationGroup;
  try {
    const domain = await checkOptions(backend, { spec, place }, signal);
    if (group !== undefined) await checkWitness(backend, signal);
    if (!wasHeard(backend)) {
      if (group === undefined) await backend.array('primary').findVolume(volume.arrayName, signal);
      else if (look !== undefined) planGroup({ backend, name: group }, await look(), place);
    }
    return { volume, ...(domain === undefined ? {} : { domain }) };
  } catch (thrown) {
    const cause = asDriverError(thrown);
    if (cause.code !== 'unavailable') throw cause;
    throw cause.reworded(`backend ${backend.name} is not usable now: ${cause.message}; nothing was changed`);
  }
}

/** All its arrays answer. */
function wasHeard(backend: Backend): boolean {
  return backend.sides.every((side) => {
    const contact = backend.array(side).lastContact();
    return contact?.failure === undefined && contact !== undefined && performance.now() - contact.at < HEARD_MS;
  });
}

/** A replicated backend needs a replicationGroup, a plain one refuses it. @throws `invalid` */
export function checkReplicationOption(backend: Backend, spec: VolumeSpec): void {
  const replicated = backend.settings.replication !== undefined;
  if (replicated && spec.replicationGroup === undefined) {
    throw new DriverError('invalid', `backend ${backend.name} replicates, so the volume needs a remote copy group`, {
      next: 'add -o replicationGroup=NAME',
    });
  }
  if (!replicated && spec.replicationGroup !== undefined) {
    throw new DriverError(
      'invalid',
      `backend ${backend.name} has no replication_device in hpe.conf, so replicationGroup=${spec.replicationGroup} cannot be honoured`,
      { next: 'leave replicationGroup out, or name a replicated backend with -o backend=NAME' },
    );
  }
}
