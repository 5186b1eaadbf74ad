import type { Admission, CreateGroup } from '../contracts/array.js';
import type { RemoteCopyGroup } from '../domain/replication.js';
import { MODE_NUMBER } from './groups.js';
import { safeName } from './paths.js';

/** Admission of reference 6.2. */
const ADMIT = 1;

/**
 * What a group gets besides its shape: it starts again by itself when the links are back, with peer persistence it fails over
 * by itself and both arrays show its members, and a periodic one has its period. Policies and period are refused in one request (reference 6.2).
 */
export function settingsOf({ mode, syncPeriod, failsOver }: CreateGroup): Record<string, unknown>[] {
  const peerPersistence = failsOver === true ? { autoFailover: true, pathManagement: true } : {};
  const policies = { policies: { autoRecover: true, ...peerPersistence } };
  return mode === 'asynchronous' && syncPeriod !== undefined ? [policies, { syncPeriod }] : [policies];
}

export function hasSettings(found: RemoteCopyGroup, wanted: CreateGroup): boolean {
  const { target: name, mode, syncPeriod, failsOver } = wanted;
  const target = found.targets.find((each) => each.name === name);
  const period = mode !== 'asynchronous' || syncPeriod === undefined || target?.syncPeriod === syncPeriod;
  const isAsWanted = failsOver !== true || (target?.autoFailover === true && target.pathManagement);
  return period && isAsWanted && target?.autoRecover === true;
}

export const createBody = (wanted: CreateGroup): Record<string, unknown> => ({
  name: safeName(wanted.name),
  targets: [
    {
      targetName: wanted.target,
      mode: MODE_NUMBER[wanted.mode],
      userCPG: wanted.remoteCpg,
      snapCPG: wanted.remoteSnapCpg,
    },
  ],
  localUserCPG: wanted.localCpg,
  localSnapCPG: wanted.localSnapCpg,
  ...(wanted.domain === undefined ? {} : { domain: wanted.domain }),
});

export const admitBody = (admission: Admission): Record<string, unknown> => ({
  action: ADMIT,
  volumeName: safeName(admission.volume),
  targets: [{ targetName: admission.target, secVolumeName: admission.volume }],
  // The copy is made by this very request, or it is refused: there was none before that could hold anything.
  volumeAutoCreation: true,
  ...(admission.isBlank ? { skipInitialSync: true } : {}),
  ...(admission.differentSecondaryWwn ? { differentSecondaryWWN: true } : {}),
});
