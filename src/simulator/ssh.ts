import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server as NetServer, Socket } from 'node:net';
import ssh2 from 'ssh2';
import type { AuthContext, Connection, ServerChannel, Session } from 'ssh2';
import type { ArrayPair } from './array-pair.js';
import type { SimulatedArray } from './array.js';
import { makeCommandLine } from './cli.js';
import { TerminalShell } from './ssh-shell.js';
import { runExec, runPipedShell } from './ssh-exec.js';
import type { CommandLine } from './ssh-exec.js';

export interface SshOptions {
  pair: ArrayPair;
  array: SimulatedArray;
  address: string;
  /** 0 = any free port. */
  port: number;
  /** Private key, made at the first start and kept, as an array keeps its own. */
  hostKeyFile: string;
  user: string;
  password: string;
}

export interface SshServer {
  port: number;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  hostKeyFingerprint: string;
  /** `ecdsa-sha2-nistp256 AAAA…`: after the address, a line of a known_hosts file. */
  hostKey: string;
  close(): Promise<void>;
}

/**
 * The array's command line over SSH: a shell with or without a terminal, and exec. Without power the array breaks all
 * connections and takes no new one.
 */
export async function startSshServer(options: SshOptions): Promise<SshServer> {
  const key = await ensureHostKey(options.hostKeyFile);
  const sockets = new Set<Socket>();
  const ssh = new ssh2.Server({ hostKeys: [key.privateKey] }, (connection, peer) => {
    const socket = [...sockets].find((known) => known.remotePort === peer.port && known.remoteAddress === peer.ip);
    serve(connection, options, () => socket?.resetAndDestroy());
  });
  const listener = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    if (!options.array.powered) return socket.destroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    return ssh.injectSocket(socket);
  });
  const dropConnections = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  options.array.onPowerOff(dropConnections);
  const port = await listen(listener, options);
  const close = async () => {
    const closed = new Promise((resolve) => listener.close(resolve));
    dropConnections();
    await closed;
  };
  return { port, hostKeyFingerprint: key.fingerprint, hostKey: key.publicKey, close };
}

async function listen(listener: NetServer, { address, port }: SshOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, address, resolve);
  });
  const bound = listener.address();
  if (bound === null || typeof bound === 'string') throw new Error(`SSH server of ${address} has no port`);
  return bound.port;
}

async function ensureHostKey(file: string) {
  const stored = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const privateKey = stored ?? makeHostKey();
  if (stored === undefined) await writeFile(file, privateKey, { mode: 0o600, flag: 'wx' });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw new Error(`${file} holds no SSH private key: ${parsed.message}`);
  const bytes = parsed.getPublicSSH();
  const digest = createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '');
  return { privateKey, publicKey: `${parsed.type} ${bytes.toString('base64')}`, fingerprint: `SHA256:${digest}` };
}

/** By node itself: of the ed25519 keys that ssh2 makes, one in some hundreds cannot be parsed again. */
function makeHostKey(): string {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return privateKey;
}

function serve(connection: Connection, options: SshOptions, reset: () => void): void {
  const cli = makeCommandLine(options.pair, options.array);
  connection.on('error', () => undefined);
  connection.on('authentication', (attempt) => authenticate(attempt, options));
  connection.on('session', (accept) => serveSession(accept(), cli, reset));
}

function authenticate(attempt: AuthContext, { user, password }: SshOptions): void {
  const decide = (given: string | undefined) => {
    if (attempt.username === user && given === password) attempt.accept();
    else attempt.reject(['password', 'keyboard-interactive']);
  };
  if (attempt.method === 'password') decide(attempt.password);
  else if (attempt.method === 'keyboard-interactive') {
    attempt.prompt([{ prompt: 'Password: ', echo: false }], (answers) => decide(answers[0]));
  } else decide(undefined);
}

function serveSession(session: Session, cli: CommandLine, reset: () => void): void {
  let tty = false;
  const breakOnFailure = (work: Promise<void>) => void work.catch(reset);
  session.on('pty', (accept) => {
    tty = true;
    accept?.();
  });
  session.on('window-change', (accept) => accept?.());
  session.on('env', (accept) => accept?.());
  session.on('shell', (accept) => {
    const channel = openChannel(accept);
    breakOnFailure(tty ? new TerminalShell(channel, cli).run() : runPipedShell(channel, cli));
  });
  session.on('exec', (accept, _reject, info) =>
    breakOnFailure(runExec(openChannel(accept), cli, { text: info.command, tty })),
  );
}

function openChannel(accept: () => ServerChannel): ServerChannel {
  const channel = accept();
  channel.on('error', () => undefined);
  return channel;
}
