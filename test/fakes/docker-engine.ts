import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { DockerClient } from '../docker-client.js';

export interface FakeContainer {
  name: string;
  volumes: string[];
  running: boolean;
}

/** As much of Docker's API as lists, stops and starts containers, whose volumes are the plugin's own. */
export interface FakeEngine {
  containers: FakeContainer[];
  /** Runs it from now on: its volumes are mounted. */
  run(name: string, volumes: string[]): Promise<void>;
  /** What was asked for, in order: `stop web`. */
  log: string[];
  close(): Promise<void>;
}

/** One mount id for each container, as dockerd makes them. */
const idOf = (name: string): string => Buffer.from(name).toString('hex').padEnd(64, '0');

export async function startFakeEngine(socketPath: string, docker: DockerClient): Promise<FakeEngine> {
  const containers: FakeContainer[] = [];
  const log: string[] = [];
  const change = async (container: FakeContainer, verb: string): Promise<void> => {
    const isStart = verb === 'start';
    if (container.running === isStart) return;
    for (const volume of container.volumes) {
      if (isStart) await docker.mount(volume, idOf(container.name));
      else {
        const err = await docker.unmount(volume, idOf(container.name));
        if (err !== '') throw new Error(err);
      }
    }
    container.running = isStart;
  };
  const answer = async (path: string): Promise<{ status: number; body?: unknown }> => {
    if (path.startsWith('/containers/json')) {
      const shown = containers.filter((each) => each.running);
      const body = shown.map(({ name, volumes }) => ({
        Id: idOf(name),
        Names: [`/${name}`],
        Mounts: volumes.map((volume) => ({ Type: 'volume', Name: volume })),
      }));
      return { status: 200, body };
    }
    const [, id, verb = ''] = /^\/containers\/([^/]+)\/(stop|start)/.exec(path) ?? [];
    const container = containers.find((each) => idOf(each.name) === id);
    if (container === undefined) return { status: 404, body: { message: 'no such container' } };
    log.push(`${verb} ${container.name}`);
    await change(container, verb);
    return { status: 204 };
  };
  const server: Server = createServer((req, res) => {
    answer(req.url ?? '').then(
      ({ status, body }) => res.writeHead(status).end(body === undefined ? '' : JSON.stringify(body)),
      (error: unknown) => res.writeHead(500).end(JSON.stringify({ message: String(error) })),
    );
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    containers,
    log,
    async run(name, volumes) {
      const container = { name, volumes, running: false };
      containers.push(container);
      await change(container, 'start');
    },
    async close() {
      for (const container of containers) await change(container, 'stop');
      server.close();
    },
  };
}
