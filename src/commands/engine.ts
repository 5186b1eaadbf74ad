import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Engine } from '../contracts/engine.js';
import { DriverError } from '../domain/errors.js';

const LIST_TIMEOUT_MS = 20_000;
/** Docker waits for our Unmount and Mount, which may take two minutes each. */
const CHANGE_TIMEOUT_MS = 300_000;

const listed = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()),
    Mounts: z.array(z.object({ Type: z.string().optional(), Name: z.string().optional() })).nullish(),
  }),
);

export function connectEngine(socketPath: string): Engine {
  return {
    async using(volumes) {
      if (volumes.length === 0) return [];
      const filters = { volume: volumes, status: ['running', 'paused', 'restarting'] };
      const at = `/containers/json?filters=${encodeURIComponent(JSON.stringify(filters))}`;
      const { status, body } = await call(socketPath, { method: 'GET', at, timeoutMs: LIST_TIMEOUT_MS });
      if (status !== 200) throw refusal('list containers', body);
      const wanted = new Set(volumes);
      return listed
        .parse(JSON.parse(body))
        .map(({ Id, Names, Mounts }) => ({
          id: Id,
          name: (Names[0] ?? Id.slice(0, 12)).replace(/^\//, ''),
          volumes: (Mounts ?? []).flatMap(({ Name }) => (Name === undefined ? [] : [Name])),
        }))
        .filter((each) => each.volumes.some((name) => wanted.has(name)));
    },
    async stop(id) {
      // Without a time of ours the container's own counts, as for `docker stop`.
      const at = `/containers/${id}/stop`;
      const { status, body } = await call(socketPath, { method: 'POST', at, timeoutMs: CHANGE_TIMEOUT_MS });
      if (![204, 304, 404].includes(status)) throw refusal(`stop container ${id.slice(0, 12)}`, body);
    },
    async start(id) {
      const at = `/containers/${id}/start`;
      const { status, body } = await call(socketPath, { method: 'POST', at, timeoutMs: CHANGE_TIMEOUT_MS });
      if (status === 404) throw new DriverError('not-found', `Docker has no container ${id.slice(0, 12)} any more`);
      if (status !== 204 && status !== 304) throw refusal(`start container ${id.slice(0, 12)}`, body);
    },
  };
}

export function refusal(what: string, body: string): DriverError {
  const said = z.object({ message: z.string() }).safeParse(parsed(body)).data?.message ?? body.slice(0, 200);
  return new DriverError('refused', `Docker did not ${what}: ${said}`, {
    next: 'see docker ps -a, and repeat the command',
  });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** One request to Docker's API. @throws `unavailable` */
export async function call(
  socketPath: string,
  { method, at, timeoutMs, body }: { method: string; at: string; timeoutMs: number; body?: unknown },
): Promise<{ status: number; body: string }> {
  try {
    return await new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const content = body === undefined ? undefined : JSON.stringify(body);
      const typed = content === undefined ? {} : { 'content-type': 'application/json' };
      const headers = { host: 'docker', ...typed };
      const asked = request({ socketPath, method, path: at, agent: false, headers, signal }, (answer) => {
        text(answer).then((said) => resolve({ status: answer.statusCode ?? 0, body: said }), reject);
      });
      asked.on('error', reject);
      asked.end(content);
    });
  } catch (error) {
    throw new DriverError('unavailable', `Docker at ${socketPath} gave no answer: ${String(error)}`, {
      cause: error,
      next: 'see that dockerd runs (systemctl status docker), or say where it listens with --docker-socket',
    });
  }
}
