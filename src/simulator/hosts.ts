import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { Host } from './model.js';

export interface HostPaths {
  /** 16 hex digits each, upper case. */
  wwns: string[];
  iqns: string[];
}

export interface CreateHost extends HostPaths {
  name: string;
  domain: string | undefined;
  persona: number;
  descriptors: Record<string, string>;
}

/** reference 5.1 */
export function createHost(array: SimulatedArray, wanted: CreateHost): Host {
  if (array.hosts.has(wanted.name)) throw new Refusal('EXISTENT_HOST', `host ${wanted.name} exists already`);
  if (wanted.domain !== undefined && !array.domains.includes(wanted.domain)) {
    throw new Refusal('NON_EXISTENT_DOMAIN', `domain ${wanted.domain} does not exist`, 'domain');
  }
  checkOneKind(wanted);
  checkPathsFree(array, wanted);
  const host: Host = { id: array.nextId(), ...wanted, chap: undefined };
  array.hosts.set(host.name, host);
  return host;
}

export interface PathChange extends HostPaths {
  operation: 'add' | 'remove';
  force: boolean;
}

/** `pathOperation` 1 and 2. */
export function changePaths(array: SimulatedArray, name: string, change: PathChange): Host {
  const host = array.getHost(name);
  checkOneKind(change);
  if (change.wwns.length + change.iqns.length === 0) {
    throw new Refusal('ONE_REQUIRED', 'one of FCWWNs and iSCSINames is required');
  }
  if (change.operation === 'add') {
    checkPathsFree(array, change);
    host.wwns.push(...change.wwns);
    host.iqns.push(...change.iqns);
    return host;
  }
  const missing = [...change.wwns, ...change.iqns].find(
    (path) => !host.wwns.includes(path) && !host.iqns.includes(path),
  );
  if (missing !== undefined) throw new Refusal('NON_EXISTENT_PATH', `host ${name} has no path ${missing}`);
  if (!change.force && isExported(array, host)) throw new Refusal('EXPORTED_VLUN', `host ${name} has exported volumes`);
  host.wwns = host.wwns.filter((wwn) => !change.wwns.includes(wwn));
  host.iqns = host.iqns.filter((iqn) => !change.iqns.includes(iqn));
  return host;
}

export interface HostChange {
  newName: string | undefined;
  persona: number | undefined;
  descriptors: Record<string, string> | undefined;
}

export function modifyHost(array: SimulatedArray, name: string, change: HostChange): Host {
  const host = array.getHost(name);
  if (change.newName !== undefined && change.newName !== name) {
    if (array.hosts.has(change.newName)) throw new Refusal('EXISTENT_HOST', `host ${change.newName} exists already`);
    array.hosts.delete(name);
    host.name = change.newName;
    array.hosts.set(host.name, host);
  }
  host.persona = change.persona ?? host.persona;
  host.descriptors = { ...host.descriptors, ...change.descriptors };
  return host;
}

/** `chapOperation` 1 (reference 5.1, 4.7); it holds for logins from now on. */
export function setChap(
  array: SimulatedArray,
  name: string,
  chap: { name?: string | undefined; secret: string },
): void {
  const host = array.getHost(name);
  if (!/^[\x20-\x7e]*$/.test(chap.secret)) {
    throw new Refusal('ILLEGAL_CHAR', 'chapSecret has a character that is not printable ASCII', 'chapSecret');
  }
  if (chap.secret.length < 12 || chap.secret.length > 16) {
    throw new Refusal('BAD_LENGTH', 'chapSecret must have 12 to 16 characters', 'chapSecret');
  }
  host.chap = { name: chap.name ?? host.name, secret: chap.secret };
}

/** `chapOperation` 2. */
export function removeChap(array: SimulatedArray, name: string): void {
  const host = array.getHost(name);
  if (host.chap === undefined) throw new Refusal('NON_EXISTENT_CHAP', `host ${name} has no CHAP`);
  host.chap = undefined;
}

export function deleteHost(array: SimulatedArray, name: string): void {
  const host = array.getHost(name);
  if (isExported(array, host)) throw new Refusal('EXPORTED_VLUN', `host ${name} has exported volumes`);
  array.hosts.delete(name);
}

/** Hosts that own one of the WWNs (upper case) or IQNs. */
export function findHostsByPath(array: SimulatedArray, paths: HostPaths): Host[] {
  return [...array.hosts.values()].filter(
    (host) => paths.wwns.some((wwn) => host.wwns.includes(wwn)) || paths.iqns.some((iqn) => host.iqns.includes(iqn)),
  );
}

const isExported = (array: SimulatedArray, host: Host): boolean => array.vluns.some((vlun) => vlun.host === host);

function checkOneKind({ wwns, iqns }: HostPaths): void {
  if (wwns.length > 0 && iqns.length > 0) {
    throw new Refusal('PARAM_CONFLICT', 'FCWWNs and iSCSINames cannot both be given');
  }
  const paths = [...wwns, ...iqns];
  if (new Set(paths).size < paths.length) throw new Refusal('DUP_PATH', 'a path is given twice');
}

function checkPathsFree(array: SimulatedArray, paths: HostPaths): void {
  const owner = findHostsByPath(array, paths)[0];
  if (owner !== undefined) throw new Refusal('EXISTENT_PATH', `path is already used by host ${owner.name}`);
}
