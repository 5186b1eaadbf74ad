import { z } from 'zod';

/** One without an end, or with one by the array's own clock. */
export const license = z.union([
  z.string().min(1),
  z.strictObject({ name: z.string().min(1), expires: z.iso.datetime() }),
]);
export type License = z.infer<typeof license>;

/** Whether it is for that, and has not run out. reference 3.1 */
export function isLicenseFor(feature: string, held: License, now: Date): boolean {
  const { name, expires } = typeof held === 'string' ? { name: held } : held;
  const isFor = name.includes(feature) || name.includes('Golden License');
  return isFor && (expires === undefined || new Date(expires) > now);
}

/** A member of `licenseInfo.licenses`: reference 3.1. */
export function viewLicense(held: License): Record<string, string | number> {
  if (typeof held === 'string') return { name: held };
  const expiryTimeSec = Math.floor(Date.parse(held.expires) / 1000);
  return { name: held.name, expiryTimeSec, expiryTime8601: held.expires };
}
