import { createServer } from 'node:net';
import type { Server } from 'node:net';

/**
 * A port that is free on both addresses: real arrays have the same port numbers, on addresses of their own.
 * @throws Error when none is found
 */
export async function chooseCommonPort([first, second]: readonly [string, string]): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const one = await listen(0, first);
    const port = portOf(one);
    const other = await listen(port, second).catch(() => undefined);
    await Promise.all([closed(one), other === undefined ? undefined : closed(other)]);
    if (other !== undefined) return port;
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

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('server has no port');
  return address.port;
}

const closed = (server: Server): Promise<unknown> => new Promise((resolve) => server.close(resolve));
