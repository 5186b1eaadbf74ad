import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { Volume } from './model.js';

/** reference 4.2: hours. */
export const MAX_EXPIRATION_HOURS = 43_800;
/** `VVRetentionTimeMax` of the system in hours: reference 3.1. */
export const MAX_RETENTION_HOURS = 336;

const HOUR_MS = 3_600_000;

export interface Lifetime {
  expirationHours?: number | undefined;
  retentionHours?: number | undefined;
  /** Takes the expiration away. */
  removeExpiration?: boolean | undefined;
}

/**
 * When a volume with these hours, counted from now, expires and how long it is retained. A retention can neither be
 * removed nor made shorter. @throws Refusal
 */
export function planLifetime(
  array: SimulatedArray,
  given: Lifetime,
  before: Pick<Volume, 'expiresAt' | 'retainedUntil'> = {},
): Pick<Volume, 'expiresAt' | 'retainedUntil'> {
  const { expirationHours, retentionHours, removeExpiration = false } = given;
  if (removeExpiration && expirationHours !== undefined) {
    throw new Refusal('PARAM_CONFLICT', 'expirationHours and rmExpTime exclude each other', 'rmExpTime');
  }
  if (retentionHours !== undefined) {
    array.checkLicense('Virtual Lock');
    if (retentionHours > MAX_RETENTION_HOURS) {
      throw new Refusal('EXCEEDS_RANGE', `retentionHours is more than ${MAX_RETENTION_HOURS}`, 'retentionHours');
    }
  }
  const after = (hours: number) => new Date(array.now().getTime() + hours * HOUR_MS);
  const kept = removeExpiration ? undefined : before.expiresAt;
  const expiresAt = expirationHours === undefined ? kept : after(expirationHours);
  const retainedUntil = retentionHours === undefined ? before.retainedUntil : after(retentionHours);
  if (isRetained(array, before) && Number(retainedUntil) < Number(before.retainedUntil)) {
    throw new Refusal('RETAINED', 'the retention time cannot be reduced', 'retentionHours');
  }
  if (expiresAt !== undefined && retainedUntil !== undefined && retainedUntil > expiresAt) {
    throw new Refusal('RETAIN_GT_EXPIRE', 'the retention time is longer than the expiration time', 'retentionHours');
  }
  return { expiresAt, retainedUntil };
}

export const isRetained = (array: SimulatedArray, { retainedUntil }: Pick<Volume, 'retainedUntil'>): boolean =>
  retainedUntil !== undefined && retainedUntil > array.now();
