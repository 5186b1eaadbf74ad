import { serve } from '../../../src/commands/serve.js';
import { CONF, PLUGIN_SOCKET, STATE_DIR } from './daemon.js';

/** Seconds that leases live; with the product's 10 an emulated machine on a busy host is fenced although nothing is wrong. */
const LEASE_TTL = 30;

// The daemon of the guest, as `hpe-volume-plugin serve`.
const daemon = await serve({ configFile: CONF, socketPath: PLUGIN_SOCKET, stateDir: STATE_DIR, leaseTtl: LEASE_TTL });
process.once('SIGTERM', () => void daemon.close().then(() => process.exit(0)));
