import { z } from 'zod';
import type { ArrayClient, PinStore, Target } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { Cli } from './cli.js';
import { Connections } from './connections.js';
import { Ports } from './ports.js';
import { listOf } from './schemas.js';
import type { ArraySettings } from './settings.js';
import { connectArray } from './three-par.js';
import { Wsapi } from './wsapi.js';

/** A partner for remote copy, as the array that was asked calls it. */
export interface CopyTarget {
  name: string;
  /** System id of the array behind it; not every version tells. */
  systemId?: number;
}

/** What an array is asked before anybody depends on it. Reads only; throws DriverError. */
export interface Examination {
  client: ArrayClient;
  /** Its ready ports for hosts. */
  ports(protocol: 'iscsi' | 'fc', signal: AbortSignal): Promise<Target[]>;
  copyTargets(signal: AbortSignal): Promise<CopyTarget[]>;
  /** Logs in over SSH; the release that it runs. */
  commandLine(signal: AbortSignal): Promise<string>;
  /** Milliseconds that its clock was ahead of this host's at its last answer. */
  clockAheadMs(): number | undefined;
  close(): Promise<void>;
}

const targetAnswer = z.object({ name: z.string().min(1), remoteId: z.int().optional() });

interface Deps {
  pins: PinStore;
  logger: Logger;
  connections?: Connections;
}

/** Connects with the first question. */
export function examineArray(settings: ArraySettings, deps: Deps): Examination {
  const { connections = new Connections(deps) } = deps;
  const client = connectArray(settings, { ...deps, connections });
  const wsapi = new Wsapi(settings, connections.take(settings), deps.logger);
  const ports = new Ports({ wsapi, portals: undefined, logger: deps.logger });
  const cli = new Cli(settings.label, settings.ssh, deps);
  return {
    client,
    ports: async (protocol, signal) => (await ports.list(signal)).filter((port) => port.protocol === protocol),
    copyTargets: async (signal) => {
      const found = await wsapi.get({ path: 'remotecopytargets', schema: listOf(targetAnswer) }, signal);
      return found.map(({ name, remoteId }) => ({ name, ...(remoteId === undefined ? {} : { systemId: remoteId }) }));
    },
    commandLine: async (signal) => (await cli.read('showversion -s', signal)).join(' ').trim(),
    clockAheadMs: () => client.lastContact()?.clockAheadMs,
    close: async () => {
      await Promise.all([wsapi.close(), client.close()]);
    },
  };
}
