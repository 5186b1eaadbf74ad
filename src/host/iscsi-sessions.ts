import path from 'node:path';
import type { Target } from '../contracts/array.js';
import type { Nexus } from './scsi-paths.js';
import { listEntries, readAttribute, resolveLink } from './sysfs.js';

/** Where one iSCSI target port listens. */
export interface Portal {
  target: string;
  host: string;
  port: number;
}

/** A session of open-iscsi, as the kernel has it. */
export interface IscsiSession {
  /** E.g. `session3`; not given to another session before the next boot. */
  id: string;
  portal: Portal;
  /** `LOGGED_IN`, or `FAILED` while the portal does not answer. */
  state: string;
  hostNumber: number;
  targetId: number;
  /** SCSI devices that hang on it, by their addresses. */
  devices: string[];
}

/** As a portal stands on the target: `10.1.1.2:3260`, `[fd00::2]:3260`. */
export const portalText = ({ host, port }: Omit<Portal, 'target'>): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const portalKey = (portal: Portal): string => `${portal.target} ${portalText(portal)}`;

/** @returns undefined for a target port without a portal, which is not an iSCSI one */
export function portalOf({ name, portal }: Target): Portal | undefined {
  if (portal === undefined) return undefined;
  return { target: name.toLowerCase(), host: portal.host.replace(/^\[|\]$/g, '').toLowerCase(), port: portal.port };
}

/** All iSCSI sessions of the host. */
export async function listSessions(sysRoot: string): Promise<IscsiSession[]> {
  const ids = await listEntries(path.join(sysRoot, 'class/iscsi_session'));
  const sessions = await Promise.all(ids.map(async (id) => readSession(sysRoot, id)));
  return sessions.filter((each) => each !== undefined);
}

/** The session to that portal: the one with that id, then one that works, then any. */
export async function findSession(sysRoot: string, portal: Portal, id?: string): Promise<IscsiSession | undefined> {
  const key = portalKey(portal);
  const sessions = (await listSessions(sysRoot)).filter((each) => portalKey(each.portal) === key);
  return sessions.find((each) => each.id === id) ?? sessions.find((each) => each.state === 'LOGGED_IN') ?? sessions[0];
}

/** Undefined for one that goes at that moment, or has no connection yet. */
async function readSession(sysRoot: string, id: string): Promise<IscsiSession | undefined> {
  const folder = path.join(sysRoot, 'class/iscsi_session', id);
  const connection = path.join(sysRoot, 'class/iscsi_connection', `connection${id.replace('session', '')}:0`);
  const [target, state, targetId, host, port, device] = await Promise.all([
    readAttribute(path.join(folder, 'targetname')),
    readAttribute(path.join(folder, 'state')),
    readAttribute(path.join(folder, 'target_id')),
    readAttribute(path.join(connection, 'persistent_address')),
    readAttribute(path.join(connection, 'persistent_port')),
    resolveLink(path.join(folder, 'device')),
  ]);
  const hostNumber = /\/host(\d+)\/session\d+$/.exec(device ?? '')?.[1];
  if (target === undefined || state === undefined || host === undefined || hostNumber === undefined) return undefined;
  return {
    id,
    portal: { target: target.toLowerCase(), host: host.toLowerCase(), port: Number(port) },
    state,
    hostNumber: Number(hostNumber),
    targetId: Number(targetId),
    devices: await listDevices(device ?? ''),
  };
}

async function listDevices(session: string): Promise<string[]> {
  const targets = (await listEntries(session)).filter((name) => name.startsWith('target'));
  const devices = await Promise.all(targets.map(async (target) => listEntries(path.join(session, target))));
  return devices.flat().filter((name) => /^\d+:\d+:\d+:\d+$/.test(name));
}

/** Where the LUNs of that session are scanned. */
export const nexusOf = ({ portal, hostNumber, targetId }: IscsiSession): Nexus => ({
  host: hostNumber,
  channel: 0,
  target: targetId,
  port: portal.target,
  label: `${portal.target} at ${portalText(portal)}`,
});
