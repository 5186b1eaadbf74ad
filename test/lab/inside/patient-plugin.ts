import { serve } from '../../../src/commands/serve.js';
import { CONF, LEASE_TTL, STATE_DIR } from './daemon.js';

/** As it is in the plugin; Docker shows it elsewhere on the host. */
const SOCKET = '/run/docker/plugins/hpe.sock';

// The daemon in the managed plugin of the guest, as `hpe-volume-plugin serve --managed`.
const logLevel = process.env['LOG_LEVEL'] ?? '';
const options = { configFile: CONF, socketPath: SOCKET, stateDir: STATE_DIR, managed: true, logLevel };
const daemon = await serve({ ...options, leaseTtl: LEASE_TTL });
process.once('SIGTERM', () => void daemon.close().then(() => process.exit(0)));
