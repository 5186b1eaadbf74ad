import { generateKeyPairSync } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import ssh2, { type ServerChannel } from 'ssh2';
import { fingerprintOf } from '../../../src/array/host-key.js';

/** What becomes of one command: its output, or a connection that breaks before it was run, or after. */
export type Answer = { output: string } | 'breaks' | 'hangs';

/** A real SSH server with the interactive shell of an array, which echoes as reference 7.1 says. */
export interface TinyCli {
  port: number;
  /** `ecdsa-sha2-nistp256 AAAA…` */
  hostKey: string;
  fingerprint: string;
  /** Passwords that were offered. */
  passwords: string[];
  commands: string[];
  close(): void;
}

const PROMPT = '3par-a cli% ';

export async function startTinyCli(answer: (command: string) => Answer): Promise<TinyCli> {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  const [passwords, commands]: string[][] = [[], []];
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (attempt) => {
      if (attempt.method !== 'password') return attempt.reject(['password']);
      passwords?.push(attempt.password);
      return attempt.accept();
    });
    connection.on('session', (accept) => {
      const session = accept();
      session.on('pty', (ok) => ok());
      session.on('shell', (ok) => {
        serveShell(ok(), (command) => {
          if (command.startsWith('setclienv')) return { output: '' };
          commands?.push(command);
          return answer(command);
        });
      });
    });
  });
  const listener = createServer({ noDelay: true }, (socket) => {
    server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  const blob = key.getPublicSSH();
  return {
    port: (listener.address() as AddressInfo).port,
    hostKey: `${key.type} ${blob.toString('base64')}`,
    fingerprint: fingerprintOf(blob),
    passwords: passwords ?? [],
    commands: commands ?? [],
    close: () => void listener.close(),
  };
}

function serveShell(channel: ServerChannel, answer: (command: string) => Answer): void {
  channel.on('error', () => undefined);
  channel.once('data', (chunk: Buffer) => {
    const typed = chunk.toString('utf8');
    channel.write(typed.replaceAll('\n', '\r\n'));
    for (const line of typed.split('\n')) {
      if (line === '') continue;
      channel.write(`${PROMPT}${line}\r\n`);
      if (line === 'exit') break;
      const given = answer(line);
      if (given === 'hangs') return;
      if (given === 'breaks') {
        channel.end();
        return;
      }
      channel.write(given.output.replaceAll('\n', '\r\n'));
    }
    channel.exit(0);
    channel.end();
  });
}
