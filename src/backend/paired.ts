import { roleWord, type Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import type { Backend } from './backend.js';
import { findPartner, type GroupObservation } from './observe.js';

/**
 * Whether both arrays hold the same data at this moment and show it under one WWN, so that a host may have the paths of both in
 * one device (peer persistence). Anything that is not known counts as no.
 */
export function isPaired(backend: Backend, volume: Pick<Volume, 'wwn'>, observation: GroupObservation): boolean {
  return hasWitness(backend) && whyUnpaired(backend, volume, observation) === undefined;
}

/** The backend is set up for peer persistence. */
export const hasWitness = ({ settings }: Backend): boolean => settings.replication?.witness !== undefined;

/** The commands that bring a group home: recover and restore stop it, which cuts off what is mounted from both arrays. */
export const wayHome = (backend: Backend): string =>
  hasWitness(backend)
    ? 'setrcopygroup switchover on the array that is Primary-Rev, as soon as both show it started and synced (if they do not by themselves: setrcopygroup recover)'
    : 'setrcopygroup recover and restore';

/** What keeps the two copies from being one device, in words; undefined when nothing does. */
export function whyUnpaired(
  backend: Backend,
  { wwn }: Pick<Volume, 'wwn'>,
  observation: GroupObservation,
): string | undefined {
  const { primary, secondary } = observation.groups;
  const reasons = backend.sides.map((side) => whyNotOn(backend, side, observation));
  const reason = reasons.find((each) => each !== undefined);
  if (reason !== undefined) return reason;
  if (primary?.role === secondary?.role)
    return `both arrays are in role ${roleWord(primary?.role ?? 'primary', false)}`;
  if (wwn.primary === undefined || wwn.primary !== wwn.secondary) return 'its copies have two WWNs';
  return undefined;
}

function whyNotOn(backend: Backend, side: Side, { groups, failures }: GroupObservation): string | undefined {
  const { label } = backend.array(side);
  const group = groups[side];
  if (group === undefined) return `${label}: ${failures[side]?.text ?? 'no answer'}`;
  const target = findPartner(backend, side, group);
  if (target === undefined) return `${label}: group ${group.name} has no clear partner`;
  if (target.state !== 'started') return `${label}: group ${group.name} is ${target.state}`;
  if (!target.pathManagement) return `${label}: group ${group.name} has the policy path_management off`;
  const lagging = group.members.find((member) => member.syncStatus !== 'synced');
  return lagging && `${label}: ${lagging.volume} is ${lagging.syncStatus}`;
}

/** Both arrays take writes of hosts: an operator's failover under a device with paths to both makes two volumes of one. */
export const isSplit = ({ groups }: GroupObservation): boolean =>
  groups.primary?.role === 'primary' && groups.secondary?.role === 'primary';
