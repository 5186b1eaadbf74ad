/*
 * The compiled daemon for histories: as `hpe-volume-plugin serve`, but its leases end after HPE_TEST_LEASE_TTL seconds and
 * its rounds come every HPE_TEST_ROUND_MS, so that nobody has to wait a minute for what comes each minute.
 */
import { parseArgs } from 'node:util';

const { HPE_TEST_HOSTNAME: nodeName, HPE_TEST_LEASE_TTL: leaseTtl, HPE_TEST_ROUND_MS: roundMs } = process.env;
const ROUND_MS = 60_000;

const { setInterval: original } = globalThis;
globalThis.setInterval = (work, ms, ...rest) => original(work, ms === ROUND_MS ? Number(roundMs) : ms, ...rest);

// Only now, since modules may keep the timer that they find.
const { serve } = await import('../dist/commands/serve.js');
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { config: { type: 'string' }, socket: { type: 'string' }, 'state-dir': { type: 'string' } },
});
const daemon = await serve({
  configFile: values.config,
  socketPath: values.socket,
  stateDir: values['state-dir'],
  nodeName,
  leaseTtl: Number(leaseTtl),
});
process.once('SIGTERM', () => {
  setTimeout(() => process.exit(1), 9_000).unref();
  void daemon.close().then(() => process.exit(0));
});
