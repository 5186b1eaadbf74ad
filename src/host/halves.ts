import type { Target } from '../contracts/array.js';
import type { Connection } from '../contracts/host.js';

/** Where one array shows the LUN. */
interface Half {
  targets: Target[];
  lun: number;
}

/** The active array's half, and with peer persistence that of the other. */
export const halvesOf = ({ targets, lun, peer }: Connection): Half[] => [{ targets, lun }, ...(peer ? [peer] : [])];

/** Names of all target ports that a path may lead to, lower case. */
export const portNames = (connection: Connection): string[] =>
  halvesOf(connection).flatMap(({ targets }) => targets.map(({ name }) => name.toLowerCase()));

/** The number that the LUN has at that port; undefined at any other port. */
export const lunAtPort = (connection: Connection, port: string | undefined): number | undefined =>
  halvesOf(connection).find(({ targets }) => targets.some(({ name }) => name.toLowerCase() === port?.toLowerCase()))
    ?.lun;
