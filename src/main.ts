#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { drill } from './commands/drill.js';
import { doctor } from './commands/doctor.js';
import { encrypt } from './commands/encrypt.js';
import { failback, failover } from './commands/failover.js';
import { backup, importMetadata, rebuild, restore } from './commands/metadata.js';
import { override } from './commands/override.js';
import { release } from './commands/release.js';
import { resize } from './commands/resize.js';
import { serve } from './commands/serve.js';
import { status } from './commands/status.js';
import { UsageError } from './commands/usage.js';
import { verify } from './commands/verify.js';
import { ConfigError } from './config/config.js';
import { DriverError } from './domain/errors.js';

const USAGE = `usage: hpe-volume-plugin [serve] [--config FILE] [--socket PATH] [--state-dir DIR] [--managed]
       hpe-volume-plugin override VOLUME --side primary|secondary --for 30m --reason TEXT [--config FILE] [--state-dir DIR]
       hpe-volume-plugin override VOLUME --end [--config FILE] [--state-dir DIR]
       hpe-volume-plugin backup FILE [--config FILE] [--state-dir DIR]
       hpe-volume-plugin restore FILE [--dry-run] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin rebuild [--dry-run] [--cluster ID] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin import-metadata --from-v2 FILE|URL [--dry-run] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin encrypt --key-file FILE [--new-key] [--password-file FILE]
       hpe-volume-plugin encrypt [--passphrase-file FILE] [--backend NAME] [--password-file FILE] [--config FILE]
       hpe-volume-plugin release VOLUME [--without-comment] [--state-dir DIR]
       hpe-volume-plugin resize VOLUME GiB [--state-dir DIR]
       hpe-volume-plugin status [--json] [--docker-socket PATH] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin failover|failback plan RCG [--json] [--backend NAME] [--docker-socket PATH] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin failover|failback run RCG [--yes] [--accept-loss REASON] [--backend NAME] [--docker-socket PATH] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin drill RCG --image IMAGE [--backend NAME] [--docker-socket PATH] [--config FILE] [--state-dir DIR] -- COMMAND
       hpe-volume-plugin verify RCG [--json] [--backend NAME] [--config FILE] [--state-dir DIR]
       hpe-volume-plugin doctor [--json] [--config FILE] [--socket PATH] [--state-dir DIR]
       hpe-volume-plugin doctor --learn-host-keys [--config FILE]
  --config     hpe.conf (default /etc/hpedockerplugin/hpe.conf)
  --socket     where dockerd finds the plugin (default /run/docker/plugins/hpe.sock)
  --state-dir  this node's own memory (default /var/lib/hpe-volume-plugin)
  --managed    Docker runs it as a managed plugin: other defaults, see docs/install.md; LOG_LEVEL counts before "logging"`;

/** The commands besides `serve`; each answers with the lines to print. */
const COMMANDS: ReadonlyMap<string, (args: string[]) => Promise<string[]>> = new Map([
  ['override', override],
  ['encrypt', async (args: string[]) => encrypt(args, { input: process.stdin, output: process.stderr })],
  ['release', release],
  ['resize', resize],
  ['status', status],
  ['failover', async (args: string[]) => failover(args)],
  ['failback', async (args: string[]) => failback(args)],
  ['drill', async (args: string[]) => drill(args)],
  ['verify', async (args: string[]) => verify(args)],
  ['backup', backup],
  ['restore', restore],
  ['rebuild', rebuild],
  ['import-metadata', importMetadata],
]);

async function main(args: string[]): Promise<void> {
  const [first = '', ...others] = args;
  const command = COMMANDS.get(first);
  if (command !== undefined && !args.includes('--help')) {
    for (const line of await command(others)) console.log(line);
    return;
  }
  if (first === 'doctor' && !args.includes('--help')) {
    const { lines, exitCode } = await doctor(others);
    for (const line of lines) console.log(line);
    process.exitCode = exitCode;
    return;
  }
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: 'string', default: '/etc/hpedockerplugin/hpe.conf' },
        socket: { type: 'string', default: '/run/docker/plugins/hpe.sock' },
        'state-dir': { type: 'string', default: '/var/lib/hpe-volume-plugin' },
        managed: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [verb = 'serve', ...rest] = positionals;
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (verb !== 'serve' || rest.length > 0) return usage(`unknown command: ${positionals.join(' ')}`);
  const { config: configFile, socket: socketPath, 'state-dir': stateDir, managed } = values;
  const logLevel = managed ? (process.env['LOG_LEVEL'] ?? '') : '';
  const daemon = await serve({ configFile, socketPath, stateDir, managed, logLevel });
  const stop = (): void => {
    // Whatever still hangs after this is journaled, and is settled at the next start.
    setTimeout(() => process.exit(1), 9_000).unref();
    daemon.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

function usage(problem: string): void {
  console.error(`${problem}\n${USAGE}`);
  process.exitCode = 2;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) usage(error.message);
  // A ConfigError has one line for each problem.
  else if (error instanceof ConfigError) console.error(error.message);
  else console.error(error instanceof DriverError ? error.toUserText() : String(error));
  process.exitCode = error instanceof ConfigError || error instanceof UsageError ? 2 : 1;
}
