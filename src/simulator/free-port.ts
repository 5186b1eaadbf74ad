import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { ListenOptions, Server } from 'node:net';

/** Below the range that Linux gives outgoing connections, which would take the port between the choice and its use. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/**
 * A port that is free on both addresses: real arrays have the same port numbers, on addresses of their own. Whoever listens on
 * it does so later: until this process ends, nobody else who asks here is given it.
 * @throws Error when none is found
 */
export async function chooseCommonPort([first, second]: readonly [string, string]): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const reservation = await reserve(port);
    if (reservation === undefined) continue;
    const servers = await Promise.all([first, second].map((host) => listen({ port, host }).catch(() => undefined)));
    for (const server of servers) if (server !== undefined) await closed(server);
    if (servers.every((server) => server !== undefined)) return port;
    await closed(reservation);
  }
  throw new Error(`no port is free on both ${first} and ${second}`);
}

/** A name in Linux's abstract socket namespace is seen by all processes of a network namespace, and goes with its process. */
async function reserve(port: number): Promise<Server | undefined> {
  try {
    return (await listen({ path: `\0hpe-simulator-port-${port}` })).unref();
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

async function listen(at: ListenOptions): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, resolve);
  });
  return server;
}

const closed = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve));
