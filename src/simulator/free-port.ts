import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Below the range that Linux gives outgoing connections, which would take the port between the choice and its use. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/**
 * A port that is free on both addresses: real arrays have the same port numbers, on addresses of their own.
 * @throws Error when none is found
 */
export async function chooseCommonPort([first, second]: readonly [string, string]): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const servers = await Promise.all([first, second].map((address) => listen(port, address).catch(() => undefined)));
    for (const server of servers) if (server !== undefined) await closed(server);
    if (servers.every((server) => server !== undefined)) return port;
  }
  throw new Error(`no port is free on both ${first} and ${second}`);
}

async function listen(port: number, address: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return server;
}

const closed = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve));
