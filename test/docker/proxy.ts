import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';

/** `request`: the daemon never sees it. `answer`: it does, and finds its caller gone soon after. */
export type Loss = 'request' | 'answer';

const GONE_AFTER_MS = 50;

/** Stands between dockerd and the daemon, and breaks connections. */
export interface Proxy {
  /** Breaks the connection of the next request of that method. */
  lose(method: string, loss: Loss): void;
  /** Requests as dockerd sent them, `Mount` or `Mount (empty)`, since the last call of `lose`. */
  seen(): string[];
  close(): Promise<void>;
}

export async function startProxy(socketPath: string, daemonSocket: string): Promise<Proxy> {
  let seen: string[] = [];
  let next: { method: string; loss: Loss } | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const daemon = connect(daemonSocket);
    const end = (): void => {
      client.destroy();
      daemon.destroy();
    };
    for (const socket of [client, daemon]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    daemon.pipe(client);
    // dockerd sends each request in one piece, and waits for its answer before the next.
    client.on('data', (data: Buffer) => {
      const text = data.toString();
      const method = /^POST \/(?:VolumeDriver|Plugin)\.(\w+)/.exec(text)?.[1] ?? text;
      seen.push(/\r\nContent-Length: 0\r\n/i.test(text) ? `${method} (empty)` : method);
      const loss = next?.method === method ? next.loss : undefined;
      if (loss !== 'request') daemon.write(data);
      if (loss === undefined) return;
      next = undefined;
      daemon.unpipe(client);
      setTimeout(end, loss === 'request' ? 0 : GONE_AFTER_MS);
    });
  });
  await rm(socketPath, { force: true });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    lose(method, loss) {
      seen = [];
      next = { method, loss };
    },
    seen: () => seen,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
