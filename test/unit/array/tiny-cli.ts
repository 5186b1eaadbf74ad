import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
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
  /** It ends each connection right after the login. */
  hangsUp: boolean;
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
  const server: ssh2.Server = new ssh2.Server({ hostKeys: [privateKey] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (attempt) => {
      if (attempt.method !== 'password') return attempt.reject(['password']);
      passwords?.push(attempt.password);
      attempt.accept();
      if (cli.hangsUp) connection.end();
      return undefined;
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
  const cli: TinyCli = {
    port: (listener.address() as AddressInfo).port,
    hostKey: `${key.type} ${blob.toString('base64')}`,
    fingerprint: fingerprintOf(blob),
    passwords: passwords ?? [],
    commands: commands ?? [],
    hangsUp: false,
    close: () => void listener.close(),
  };
  return cli;
}

/** In front of such a server: passes everything on but the end of a connection, as an array does that hangs. Ports of the clients that came. */
export async function startDeafProxy(port: number): Promise<{ port: number; clients: number[]; close(): void }> {
  const clients: number[] = [];
  const sockets: Socket[] = [];
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    clients.push(socket.remotePort ?? 0);
    sockets.push(socket, server);
    for (const each of [socket, server]) each.on('error', () => undefined);
    socket.pipe(server, { end: false });
    server.pipe(socket, { end: false });
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (listener.address() as AddressInfo).port,
    clients,
    close() {
      listener.close();
      for (const each of sockets) each.destroy();
    },
  };
}

/** Whether a process still holds the connection from that local port; one that the kernel alone brings to its end has no inode. */
export async function isHeld(localPort: number): Promise<boolean> {
  const port = `:${localPort.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return lines.some(([, local, , , , , , , , inode]) => local?.endsWith(port) === true && inode !== '0');
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
