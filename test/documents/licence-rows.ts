import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      dev: z.boolean().optional(),
      devOptional: z.boolean().optional(),
    }),
  ),
});

/** Every package that package-lock.json names for a running plugin, and how many there are for building and testing by licence. */
export function licenceRows(root: string): string[][] {
  const { packages } = lockFile.parse(JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')));
  const all = Object.entries(packages)
    .filter(([place]) => place !== '')
    .map(([place, each]) => ({
      name: place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version: each.version ?? '',
      licence: each.license ?? 'see its package.json',
      isForBuilding: each.dev === true || each.devOptional === true,
    }));
  const running = all
    .filter((each) => !each.isForBuilding)
    .map((each) => [each.name, each.version, each.licence, 'plugin']);
  const counts = new Map<string, number>();
  for (const { licence, isForBuilding } of all) if (isForBuilding) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  const building = [...counts].map(([licence, count]) => [
    `${count} packages`,
    '',
    licence,
    'building and testing only',
  ]);
  return [...sorted(running), ...sorted(building)];
}

const sorted = (rows: string[][]): string[][] =>
  rows.toSorted((one, other) => (one.join(' ') < other.join(' ') ? -1 : 1));
