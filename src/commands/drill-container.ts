import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { thenCleanUp } from './clean-up.js';
import { call, refusal } from './engine.js';

const CHANGE_TIMEOUT_MS = 300_000;
/** The command inside has this long. */
const COMMAND_TIMEOUT_MS = 60 * 60_000;

export interface DrillOrder {
  image: string;
  command: string[];
  /** Volume name → where it is seen; read-only. */
  volumes: ReadonlyMap<string, string>;
  /** Docker's name for the plugin. */
  driver: string;
}

/** Runs the command once in a container that sees those volumes and no network, and removes the container. */
export async function runOnce(socket: string, order: DrillOrder): Promise<{ exitCode: number; output: string }> {
  const mounts = [...order.volumes].map(([source, target]) => ({
    Type: 'volume',
    Source: source,
    Target: target,
    ReadOnly: true,
    VolumeOptions: { DriverConfig: { Name: order.driver } },
  }));
  const config = {
    Image: order.image,
    Cmd: order.command,
    Tty: true,
    HostConfig: { NetworkMode: 'none', Mounts: mounts },
  };
  const made = await change(socket, 'POST', '/containers/create', config);
  const { Id: id } = z.object({ Id: z.string() }).parse(JSON.parse(made));
  return thenCleanUp(
    async () => runMade(socket, id),
    async () => void (await change(socket, 'DELETE', `/containers/${id}?force=1`)),
  );
}

async function runMade(socket: string, id: string): Promise<{ exitCode: number; output: string }> {
  await change(socket, 'POST', `/containers/${id}/start`);
  const at = `/containers/${id}/wait`;
  const ended = await call(socket, { method: 'POST', at, timeoutMs: COMMAND_TIMEOUT_MS });
  const { StatusCode: exitCode } = z.object({ StatusCode: z.int() }).parse(JSON.parse(ended.body));
  const logs = `/containers/${id}/logs?stdout=1&stderr=1`;
  const { body } = await call(socket, { method: 'GET', at: logs, timeoutMs: CHANGE_TIMEOUT_MS });
  return { exitCode, output: body.replaceAll('\r\n', '\n').trimEnd() };
}

/** What Docker calls the driver of that volume. @throws `refused` */
export async function driverOf(socket: string, volume: string): Promise<string> {
  const at = `/volumes/${encodeURIComponent(volume)}`;
  const { status, body } = await call(socket, { method: 'GET', at, timeoutMs: CHANGE_TIMEOUT_MS });
  if (status !== 200) throw refusal(`inspect volume ${volume}`, body);
  return z.object({ Driver: z.string() }).parse(JSON.parse(body)).Driver;
}

/** Gone already is success. */
export async function removeVolume(socket: string, volume: string): Promise<void> {
  await change(socket, 'DELETE', `/volumes/${encodeURIComponent(volume)}`);
}

async function change(socket: string, method: string, at: string, body?: unknown): Promise<string> {
  const answer = await call(socket, { method, at, timeoutMs: CHANGE_TIMEOUT_MS, body });
  const isGone = method === 'DELETE' && answer.status === 404;
  if (isGone || (answer.status >= 200 && answer.status < 300)) return answer.body;
  throw refusal(`${method} ${at.split('?')[0] ?? at}`, answer.body);
}

/** All of them, whatever fails. @throws `refused`, naming what is left */
export async function removeAll(socket: string, volumes: Iterable<string>): Promise<void> {
  const failures: string[] = [];
  for (const volume of volumes) {
    await removeVolume(socket, volume).catch((thrown: unknown) => failures.push(`${volume}: ${String(thrown)}`));
  }
  if (failures.length === 0) return;
  throw new DriverError('refused', `a snapshot of the drill was not dropped: ${failures.join('; ')}`, {
    next: 'docker volume rm it; the array drops it within a day',
  });
}
