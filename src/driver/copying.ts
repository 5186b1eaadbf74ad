import { setTimeout as pause } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import { DriverError } from '../domain/errors.js';
import { homeSide, type Volume } from '../domain/volume.js';

const LONGEST_PAUSE_MS = 2_000;

/** Whether the array may still be copying to it: no mount has taken its file system over yet. A rebuilt record says no more of a clone. */
export const mayBeCopying = ({ origin, filesystem, state }: Volume): boolean =>
  origin?.kind === 'clone' && filesystem.state === 'inherited' && state === 'ready';

/** Whether the array has not finished the copy to a clone; it changes nothing of the volume meanwhile. */
export async function isCopying(backend: Backend, volume: Volume, signal: AbortSignal): Promise<boolean> {
  if (!mayBeCopying(volume)) return false;
  const found = await backend.array(homeSide(volume)).clones.look(volume.arrayName, signal);
  return found !== undefined && found.copy !== 'done';
}

/** A clone is not grown before it is whole: the refusal of its array would be taken for a no to the size that it was made with. @throws `busy` or `unavailable` */
export async function refuseUnfinishedCopy(backend: Backend, volume: Volume, signal: AbortSignal): Promise<void> {
  const { name, origin } = volume;
  if (origin?.kind !== 'clone' || !(await isCopying(backend, volume, signal))) return;
  throw new DriverError('busy', `volume ${origin.of} is still being copied to volume ${name}; nothing was changed`, {
    next: 'wait for the end of the copy (showtask -active on the array), then repeat the command',
  });
}

/** A source is not removed, and not taken out of its group, while one of its copies is being made. @throws `busy` naming the clone, or `unavailable` */
export async function refuseIfCopied(
  backend: Backend,
  { source, copies }: { source: Volume; copies: readonly Volume[] },
  signal: AbortSignal,
): Promise<void> {
  for (const clone of copies) {
    if (!(await isCopying(backend, clone, signal))) continue;
    throw new DriverError('busy', `volume ${source.name} is being copied to its clone ${clone.name}`, {
      next: `wait for the end of the copy (showtask -active on the array), or remove the clone first: docker volume rm ${clone.name}`,
    });
  }
}

/**
 * Waits until the array has copied everything to a clone. Who waits holds no lock.
 * @throws `busy` when that takes longer than `waitMs`, `refused` when the array has given the copy up
 */
export async function waitForCopy(
  backend: Backend,
  { volume, waitMs }: { volume: Volume; waitMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { name, arrayName, origin } = volume;
  const source = origin?.kind === 'clone' ? origin.of : '';
  const { clones, label } = backend.array(homeSide(volume));
  const started = performance.now();
  for (let wait = 100; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    const found = await clones.look(arrayName, signal);
    // One that is gone is told by whoever exports it.
    if (found === undefined || found.copy === 'done') return;
    if (found.copy === 'broken') {
      throw new DriverError(
        'refused',
        `the copy of ${source} to volume ${name} was broken off on ${label}, so it holds a part of the data only; it is not mounted`,
        { next: `docker volume rm ${name}, then clone ${source} again` },
      );
    }
    if (performance.now() + wait > started + waitMs) {
      throw new DriverError(
        'busy',
        `${label} is still copying ${source} to volume ${name} (${found.task ?? 'a task of the array'}); waited ${Math.round(waitMs / 1000)} s`,
        { next: `start the container again later; how far it is: showtask -active on the array` },
      );
    }
    await pause(wait, undefined, { signal });
  }
}
