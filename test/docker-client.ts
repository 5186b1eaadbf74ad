import { request } from 'node:http';

export interface DockerAnswer {
  Err?: string;
  Mountpoint?: string;
  Volume?: { Name: string; Mountpoint: string; CreatedAt: string; Status: Record<string, unknown> };
  Volumes?: { Name: string; Mountpoint: string }[];
}

/** What dockerd would send, over the plugin's socket. */
export interface DockerClient {
  call(method: string, body?: unknown): Promise<DockerAnswer>;
  create(name: string, options?: Record<string, string>): Promise<string>;
  remove(name: string): Promise<string>;
  /** The mountpoint. @throws the plugin's Err */
  mount(name: string, id?: string): Promise<string>;
  unmount(name: string, id?: string): Promise<string>;
  status(name: string): Promise<Record<string, unknown>>;
}

export function dockerClient(socketPath: string): DockerClient {
  const call = async (method: string, body?: unknown): Promise<DockerAnswer> => post(socketPath, method, body ?? {});
  const err = async (method: string, body: unknown): Promise<string> => (await call(method, body)).Err ?? '';
  return {
    call,
    create: async (name, options) => err('VolumeDriver.Create', { Name: name, Opts: options ?? null }),
    remove: async (name) => err('VolumeDriver.Remove', { Name: name }),
    async mount(name, id = 'a'.repeat(64)) {
      const answer = await call('VolumeDriver.Mount', { Name: name, ID: id });
      if (answer.Err !== undefined && answer.Err !== '') throw new Error(answer.Err);
      return answer.Mountpoint ?? '';
    },
    unmount: async (name, id = 'a'.repeat(64)) => err('VolumeDriver.Unmount', { Name: name, ID: id }),
    async status(name) {
      const answer = await call('VolumeDriver.Get', { Name: name });
      if (answer.Volume === undefined) throw new Error(answer.Err ?? 'no answer');
      return answer.Volume.Status;
    },
  };
}

async function post(socketPath: string, method: string, body: unknown): Promise<DockerAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method: 'POST', path: `/${method}`, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (data: Buffer) => (text += data.toString()));
      answer.on('end', () => resolve(JSON.parse(text) as DockerAnswer));
      answer.on('error', reject);
    });
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}
