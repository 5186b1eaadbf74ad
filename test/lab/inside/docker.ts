import { spawn } from 'node:child_process';
import { request, type IncomingMessage } from 'node:http';

const SOCKET = '/run/docker.sock';
const CALL_MS = 180_000;
/** The image of all containers: a static busybox. */
export const IMAGE = 'lab:1';

/** The Docker engine of the guest, asked through its API: each start of the client would cost a second. */
export const docker = {
  ping: async (): Promise<void> => void (await call('GET', '/_ping')),

  /** @throws with the driver's message */
  async createVolume(name: string, options: Record<string, string>): Promise<void> {
    await call('POST', '/volumes/create', { Name: name, Driver: 'hpe', DriverOpts: options });
  },
  async removeVolume(name: string): Promise<void> {
    await call('DELETE', `/volumes/${name}`);
  },
  async inspectVolume(name: string): Promise<{ Status: Record<string, unknown> }> {
    return (await json('GET', `/volumes/${name}`)) as { Status: Record<string, unknown> };
  },
  /** Names of the volumes that the driver lists. */
  async listVolumes(): Promise<string[]> {
    const { Volumes } = (await json('GET', '/volumes')) as { Volumes: { Name: string }[] };
    return Volumes.map(({ Name }) => Name);
  },

  /** A container with the volume at /data that stays until it is stopped, or runs a script. */
  async run(name: string, volume: string, script = 'exec sleep 100000'): Promise<void> {
    await call('POST', `/containers/create?name=${name}`, {
      Image: IMAGE,
      Cmd: ['sh', '-c', script],
      NetworkDisabled: true,
      HostConfig: { Binds: [`${volume}:/data`], NetworkMode: 'none' },
    });
    await docker.start(name);
  },
  async start(name: string): Promise<void> {
    await call('POST', `/containers/${name}/start`);
  },
  async stop(name: string): Promise<void> {
    await call('POST', `/containers/${name}/stop?t=0`);
  },
  async removeContainer(name: string): Promise<void> {
    await call('DELETE', `/containers/${name}?force=true`);
  },
  async isRunning(name: string): Promise<boolean> {
    const { State } = (await json('GET', `/containers/${name}/json`)) as { State: { Running: boolean } };
    return State.Running;
  },
  async listContainers(): Promise<string[]> {
    const all = (await json('GET', '/containers/json?all=true')) as { Names: string[] }[];
    return all.flatMap(({ Names }) => Names.map((name) => name.slice(1)));
  },
  /** Runs a script in a running container; answers what it printed, trimmed. @throws when it fails */
  async exec(name: string, script: string): Promise<string> {
    const body = { Cmd: ['sh', '-c', script], AttachStdout: true, AttachStderr: true };
    const { Id } = (await json('POST', `/containers/${name}/exec`, body)) as { Id: string };
    const output = withoutFrames(await call('POST', `/exec/${Id}/start`, { Detach: false, Tty: false }));
    const { ExitCode } = (await json('GET', `/exec/${Id}/json`)) as { ExitCode: number };
    if (ExitCode !== 0) throw new Error(`in container ${name}: ${script}: exit ${ExitCode}: ${output}`);
    return output.trim();
  },
  /** What a container has printed. */
  async logs(name: string): Promise<string> {
    return withoutFrames(await call('GET', `/containers/${name}/logs?stdout=true&stderr=true`));
  },

  /** Makes the image of a directory. */
  async importImage(dir: string): Promise<void> {
    const tar = spawn('tar', ['-C', dir, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [repo, tag] = IMAGE.split(':');
    await call('POST', `/images/create?fromSrc=-&repo=${repo}&tag=${tag}`, tar.stdout);
  },
};

/** A parsed answer. @throws with the engine's message */
export async function json(method: string, path: string, body?: object): Promise<unknown> {
  return JSON.parse((await call(method, path, body)).toString()) as unknown;
}

/** One request to the engine; a stream is a tar. @throws with the engine's message, or when it takes longer */
export async function call(
  ...[method, path, body, timeoutMs = CALL_MS]: [
    method: string,
    path: string,
    body?: object | NodeJS.ReadableStream,
    timeoutMs?: number,
  ]
): Promise<Buffer> {
  const isStream = body !== undefined && 'pipe' in body;
  const headers = { 'content-type': isStream ? 'application/x-tar' : 'application/json' };
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request({ socketPath: SOCKET, method, path, headers, signal }, resolve).on('error', reject);
    if (isStream) body.pipe(sent);
    else sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const data = Buffer.concat(chunks);
  // 304: started or stopped already.
  if ((answer.statusCode ?? 500) < 400) return data;
  throw new Error(`${method} ${path}: ${answer.statusCode} ${data.toString().trim()}`);
}

/** Output comes in frames: one byte stream number, three of nothing, four of length. */
function withoutFrames(data: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= data.length;) {
    const end = at + 8 + data.readUInt32BE(at + 4);
    parts.push(data.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString();
}
