import type { Volume, VolumeOutline } from '../domain/volume.js';

/* What locks and records are called in the metadata. */

export const volumeKey = (name: string): string => `volume/${name}`;
/** Sorted after all volumes: whoever needs both takes the volume first, as do those who wait in line for their group. */
export const groupKey = (backend: string, group: string): string => `volumes-of-group/${backend}/${group}`;
/** Record key of a group. */
export const groupRecordKey = (backend: string, group: string): string => `${backend}/${group}`;

/** Record key of the volume's remote copy group. */
export function groupKeyOf(volume: Pick<VolumeOutline, 'spec'>): string | undefined {
  const { backend, replicationGroup } = volume.spec;
  return replicationGroup === undefined ? undefined : groupRecordKey(backend, replicationGroup);
}

/** The volume's group, whose lock every change of a member needs. */
export function groupLocks(volume: Volume): string[] {
  const { backend, replicationGroup } = volume.spec;
  return replicationGroup === undefined ? [] : [groupKey(backend, replicationGroup)];
}
