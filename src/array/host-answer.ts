import type { Initiators } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { safeName } from './paths.js';
import { formatPort, type HostAnswer } from './schemas.js';

/** Lower case without colons for a WWPN, lower case for an IQN. */
export function plainName(initiator: string): string {
  const lower = initiator.toLowerCase();
  return lower.startsWith('iqn.') ? lower : lower.replaceAll(':', '');
}

/** A WWPN as the array writes it. */
export const arrayWwn = (wwn: string): string => plainName(wwn).toUpperCase();

/** The initiators of a host entry. */
export const pathsOf = (host: HostAnswer): string[] =>
  [...(host.FCPaths ?? []).map((path) => path.wwn), ...(host.iSCSIPaths ?? []).map((path) => path.name)].map(plainName);

/** Initiators that the host entry lacks. */
export function missingIn(host: HostAnswer, { names }: Initiators): string[] {
  const paths = pathsOf(host);
  return [...new Set(names.map(plainName))].filter((name) => !paths.includes(name));
}

/** Positions of the ports that these WWPNs are logged in at. */
export function loginsOf(host: HostAnswer, { names }: Initiators): Set<string> {
  const wanted = new Set(names.map(plainName));
  const ours = (host.FCPaths ?? []).filter(({ wwn }) => wanted.has(plainName(wwn)));
  return new Set(ours.flatMap(({ portPos }) => (portPos === undefined ? [] : [formatPort(portPos)])));
}

/** The query for the host entries that have any of the initiators (reference 5.1). @throws `invalid` without initiators */
export function ownerCondition({ protocol, names }: Initiators): string {
  if (names.length === 0) throw new DriverError('invalid', `this host has no ${protocol} initiator`);
  if (protocol === 'fc') return `FCPaths[${names.map((wwn) => `wwn==${safeName(arrayWwn(wwn))}`).join(' OR ')}]`;
  return `iSCSIPaths[${names.map((iqn) => `name==${safeName(iqn)}`).join(' OR ')}]`;
}
