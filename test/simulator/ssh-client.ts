import { once } from 'node:events';
import ssh2 from 'ssh2';
import type { Client, ClientChannel } from 'ssh2';

export interface Login {
  host: string;
  port: number;
  username: string;
  password: string;
}

/** A logged-in ssh2 client; the caller ends it. */
export async function connect(login: Login, { keyboard = false } = {}): Promise<Client> {
  const client = new ssh2.Client();
  const { password, ...address } = login;
  client.on('keyboard-interactive', (_name, _instructions, _language, _prompts, finish) => finish([password]));
  const ready = once(client, 'ready');
  client.connect({ ...address, ...(keyboard ? { tryKeyboard: true } : { password }), readyTimeout: 10_000 });
  await ready;
  client.on('error', () => undefined);
  return client;
}

/** Runs one exec request; `code` is undefined when the connection broke before the answer. */
export async function exec(client: Client, command: string): Promise<{ output: string; code: number | undefined }> {
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.exec(command, (error, opened) => (error ? reject(error) : resolve(opened)));
  });
  let code: number | undefined;
  channel.on('exit', (status) => {
    if (typeof status === 'number') code = status;
  });
  const output = await readAll(channel);
  return { output, code };
}

/** Sends everything at once to an interactive shell with a terminal and reads to its end. */
export async function shell(client: Client, input: string): Promise<string> {
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.shell((error, opened) => (error ? reject(error) : resolve(opened)));
  });
  channel.write(input);
  return readAll(channel);
}

async function readAll(channel: ClientChannel): Promise<string> {
  let output = '';
  channel.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  await once(channel, 'close');
  return output;
}
