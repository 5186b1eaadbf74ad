import { Connections } from '../array/connections.js';
import { segment } from '../array/paths.js';
import { Wsapi, type Change } from '../array/wsapi.js';
import { loadConfig, type BackendConfig } from '../config/config.js';
import { DriverError } from '../domain/errors.js';
import type { ArrayAction } from '../domain/failover-plan.js';
import type { Side } from '../domain/replication.js';
import { hostname } from 'node:os';
import { openStore, settingsOf } from './build.js';
import { Passwords } from './passwords.js';
import { silent, type Reports, type Where } from './reports.js';

/** What an operator does on the arrays of one backend. The daemon has no way to any of it (rule 6). */
export interface ArrayDeeds {
  /** Sends it once; what came of it is for the caller to look at. @throws DriverError, `unknown-outcome` when the answer was lost */
  send(action: ArrayAction, side: Side, group: string): Promise<void>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 60_000;

/** Numbers of reference 6.2: changes of a group are a PUT, changes of its direction a POST. */
const REQUESTS: Record<ArrayAction, { method: Change['method']; action: number }> = {
  stop: { method: 'PUT', action: 4 },
  sync: { method: 'PUT', action: 5 },
  failover: { method: 'POST', action: 7 },
  switchover: { method: 'POST', action: 8 },
  recover: { method: 'POST', action: 9 },
  restore: { method: 'POST', action: 10 },
};

/** Connections of the command's own, with the users of hpe.conf; nothing is sent before it is asked for. */
export async function openDeeds(where: Where, backend: string, reports: Reports): Promise<ArrayDeeds> {
  const { config } = loadConfig(where.configFile);
  const settings = config.backends.get(backend);
  if (settings === undefined) throw new DriverError('invalid', `hpe.conf has no backend ${backend}`);
  const node = { id: 'operator', name: hostname() };
  // Only for the passphrase of encrypted passwords, which is kept in etcd alone; the embedded metadata are the daemon's.
  const store = config.etcd && (await openStore(config.etcd, { stateDir: where.stateDir, node, logger: silent }));
  const passwords = new Passwords(config, { store: store ?? {}, logger: silent });
  const connections = new Connections({ pins: knownPins(reports), logger: silent });
  const arrays: Partial<Record<Side, Wsapi>> = {};
  const connect = (side: Side): Wsapi => {
    const chosen = settingsOf(settings, { side, array: arrayOf(settings, side) }, { passwords });
    return (arrays[side] ??= new Wsapi(chosen, connections.take(chosen), silent));
  };
  return {
    async send(action, side, group) {
      const request = REQUESTS[action];
      const path = `remotecopygroups/${segment(group)}`;
      const change: Change = { method: request.method, path, body: { action: request.action } };
      await connect(side).change(change, AbortSignal.timeout(TIMEOUT_MS));
    },
    async close() {
      await Promise.all(Object.values(arrays).map(async (array) => array.close()));
      await store?.close();
    },
  };
}

function arrayOf(config: BackendConfig, side: Side): BackendConfig['primary'] {
  const array = side === 'primary' ? config.primary : config.secondary;
  if (array === undefined) throw new DriverError('invalid', `backend ${config.name} has no ${side} array in hpe.conf`);
  return array;
}

/** The certificates that the daemon knows; a command meets nobody for the first time. */
const knownPins = (reports: Reports) => ({
  find: async (peer: string) => reports.pin(peer),
  save: async (peer: string) => {
    await Promise.resolve();
    throw new DriverError('unavailable', `${peer} was never met by the daemon, so its certificate proves nothing`, {
      next: 'see that the daemon reaches it: hpe-volume-plugin status',
    });
  },
});
