import { once } from 'node:events';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { DriverError } from '../domain/errors.js';
import { Calls } from './calls.js';
import { createRoutes, type RouteOptions } from './routes.js';

/** dockerd kills a managed plugin 10 s after SIGTERM: first the calls may finish, then they must roll back. */
const FINISH_MS = 6000;
const ROLLBACK_MS = 3000;
/** Linux, unix(7). */
const SOCKET_PATH_LIMIT = 107;

interface PluginServerOptions extends Omit<RouteOptions, 'calls'> {
  socketPath: string;
  /** How long a stop waits for the calls that are running, in milliseconds. */
  finishMs?: number;
}

export interface PluginServer {
  /** Takes no more requests, answers those that are running or lets them roll back, and removes the socket. */
  close(): Promise<void>;
}

/** Serves Docker's volume plugin API. @throws `refused` when another daemon serves that socket */
export async function startPluginServer(options: PluginServerOptions): Promise<PluginServer> {
  const { socketPath, finishMs = FINISH_MS, ...rest } = options;
  const calls = new Calls();
  const server = createServer(createRoutes({ ...rest, calls }));
  // A close of ours that crosses a request would make dockerd repeat it with an empty body (docker plugin reference 1).
  server.keepAliveTimeout = 0;
  await removeStaleSocket(socketPath);
  await listen(server, socketPath);
  let closing: Promise<void> | undefined;
  return {
    close: async () => (closing ??= stop(server, calls, finishMs)),
  };
}

async function stop(server: Server, calls: Calls, finishMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  if (!(await calls.wait(finishMs))) {
    calls.abort(new DriverError('unavailable', 'the volume plugin is being stopped'));
    await calls.wait(ROLLBACK_MS);
  }
  // What was answered is flushed in the next turns of the event loop; connections without a request are of no use now.
  setTimeout(() => server.closeAllConnections(), 50);
  await closed;
}

/** Makes the socket, for root alone. @param option of the command line that its path comes from */
export async function listen(server: Server, socketPath: string, option = '--socket'): Promise<void> {
  // Node cuts a longer path without a word, and then listens somewhere else.
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_LIMIT) {
    throw new DriverError('invalid', `the socket path ${socketPath} has more than ${SOCKET_PATH_LIMIT} bytes`, {
      next: `choose a shorter ${option}`,
    });
  }
  try {
    await mkdir(path.dirname(socketPath), { recursive: true });
    // The socket is made within this call, so that it is never there with other rights.
    const umask = process.umask(0o177);
    try {
      server.listen(socketPath);
    } finally {
      process.umask(umask);
    }
    await once(server, 'listening');
    await chmod(socketPath, 0o600);
  } catch (error) {
    server.close();
    throw new DriverError('unavailable', `cannot listen on ${socketPath}: ${String(error)}`, {
      cause: error,
      next: `ls -ld ${path.dirname(socketPath)}`,
    });
  }
}

/** Only a socket that refuses connections is stale: with a living one, two daemons would share the path. */
export async function removeStaleSocket(socketPath: string, option = '--socket'): Promise<void> {
  const found = await lstat(socketPath).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new DriverError('refused', `${socketPath} is there and is not a socket`, {
      next: `choose another ${option}`,
    });
  }
  if (await answers(socketPath)) {
    throw new DriverError('refused', `another daemon already serves ${socketPath}`, {
      next: `find it with: fuser ${socketPath}; stop it, or choose another ${option}`,
    });
  }
  await unlink(socketPath);
}

async function answers(socketPath: string): Promise<boolean> {
  const client = connect(socketPath);
  try {
    await once(client, 'connect');
    return true;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ECONNREFUSED') return false;
    throw new DriverError('refused', `it is unknown whether ${socketPath} is in use`, {
      cause: error,
      next: `fuser ${socketPath}`,
    });
  } finally {
    client.destroy();
  }
}
