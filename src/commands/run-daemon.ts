import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { serve, type ServeOptions } from './serve.js';
import { CONFIG_FILE, SOCKET, STATE_DIR, UsageError } from './usage.js';

/**
 * By itself V8 lets hundreds of MiB of garbage gather where the host has much memory; a limit of the heap would end the daemon instead.
 * The heap may outgrow what is alive by so many percent, and what is young keeps the space that it begins with.
 */
const HEAP_FLAGS = ['--heap-growing-percent=40', '--semi-space-growth-factor=1'];
/** Whatever still hangs after this is journaled, and is settled at the next start. */
const CLOSE_TIMEOUT_MS = 9_000;

/** `serve`: starts the daemon, which runs until SIGTERM or SIGINT ends this process. No lines to print. @throws UsageError, or as `serve` */
export async function runDaemon(args: string[]): Promise<string[]> {
  HEAP_FLAGS.forEach((flag) => setFlagsFromString(flag));
  const daemon = serve(parseServe(args));
  // It may be told to end while it still starts.
  const stop = (): void => {
    setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS).unref();
    void daemon.then(
      async (running) =>
        running.close().then(
          () => process.exit(0),
          () => process.exit(1),
        ),
      // Who waits for the start tells why it failed.
      () => undefined,
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await daemon;
  return [];
}

function parseServe(args: string[]): ServeOptions {
  try {
    const { values } = parseArgs({
      args,
      options: {
        ...CONFIG_FILE,
        ...SOCKET,
        ...STATE_DIR,
        managed: { type: 'boolean', default: false },
      },
    });
    const { config: configFile, socket: socketPath, 'state-dir': stateDir, managed } = values;
    return { configFile, socketPath, stateDir, managed, logLevel: managed ? (process.env['LOG_LEVEL'] ?? '') : '' };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
