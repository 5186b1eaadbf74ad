import { serve } from '../../../src/commands/serve.js';
import { CONF, LEASE_TTL, PLUGIN_SOCKET, STATE_DIR } from './daemon.js';

// The daemon of the guest, as `hpe-volume-plugin serve`.
const daemon = await serve({ configFile: CONF, socketPath: PLUGIN_SOCKET, stateDir: STATE_DIR, leaseTtl: LEASE_TTL });
process.once('SIGTERM', () => void daemon.close().then(() => process.exit(0)));
