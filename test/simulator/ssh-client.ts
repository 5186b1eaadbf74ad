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
  client.on('error', () => undefined);
  const ready = once(client, 'ready');
  client.connect({ ...address, ...(keyboard ? { tryKeyboard: true } : { password }), readyTimeout: 10_000 });
  try {
    await ready;
  } catch (error) {
    client.destroy();
    throw error;
  }
  client.setNoDelay(true);
  return client;
}

/** Runs one exec request; `code` is undefined when the connection broke before the answer. */
export async function exec(client: Client, command: string): Promise<{ output: string; code: number | undefined }> {
  const recording = await new Promise<Recording>((resolve, reject) => {
    client.exec(command, (error, channel) => (error ? reject(error) : resolve(new Recording(channel))));
  });
  await recording.closed;
  return { output: recording.text, code: recording.code };
}

/** An interactive shell with a terminal. */
export async function openShell(client: Client): Promise<Recording> {
  return new Promise((resolve, reject) => {
    client.shell((error, channel) => (error ? reject(error) : resolve(new Recording(channel))));
  });
}

/** Everything that a channel sends, from its first byte. */
export class Recording {
  text = '';
  code: number | undefined;
  readonly closed: Promise<unknown>;
  readonly #channel: ClientChannel;

  constructor(channel: ClientChannel) {
    this.#channel = channel;
    this.closed = once(channel, 'close');
    channel.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('utf8');
    });
    channel.on('exit', (status) => {
      if (typeof status === 'number') this.code = status;
    });
  }

  write(input: string): void {
    this.#channel.write(input);
  }

  /** Waits until the text ends so. */
  async until(end: string): Promise<void> {
    while (!this.text.endsWith(end)) await once(this.#channel, 'data');
  }
}
