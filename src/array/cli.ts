import { Socket } from 'node:net';
import type { Client, ClientChannel, ConnectConfig, ServerHostKeyAlgorithm } from 'ssh2';
import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { overdueTimersHaveFired } from '../domain/overdue-timers.js';
import { openPassword, type Secret } from '../domain/secret.js';
import { within } from '../domain/signals.js';
import { judgeHostKey, readHostKeys } from './host-key.js';
import type { HostKey } from './known-hosts.js';
import type { SshSettings } from './settings.js';

/** For one command with its login, unless the caller has less time. */
const COMMAND_DEADLINE_MS = 45_000;
/** For the array to close a connection that we have ended; then it is taken away. */
const FAREWELL_MS = 2_000;
/** Wider than any command, so that the terminal does not break the echo. */
const COLUMNS = 4096;
const LARGEST_OUTPUT = 4 * 1024 * 1024;
const LONGEST_QUOTE = 300;

/** How arrays say no (reference 7.2); a row of a table may have such a word in a name. */
const COMPLAINT = /error|invalid/i;
const CSV_COLUMNS = 5;

/** What a command may be made of: no line end, so that it stays one command, and nothing but printable ASCII. */
const SAFE_COMMAND = /^[\x20-\x7e]+$/;

interface Deps {
  pins: PinStore;
  logger: Logger;
}

/**
 * The command line of one array: one connection with one interactive shell for each command, as all known clients do it
 * (reference 7.1). Throws DriverError only: `unavailable` when the command was certainly not sent, `unknown-outcome` when
 * its end was not seen, `refused` with what the array printed when that is an error.
 */
export class Cli {
  /** `primary array of backend DEFAULT (ssh 10.0.0.1:22)` */
  readonly label: string;
  readonly #settings: SshSettings;
  readonly #deps: Deps;

  constructor(label: string, settings: SshSettings, deps: Deps) {
    this.label = `${label} (ssh ${settings.host}:${settings.port})`;
    this.#settings = settings;
    this.#deps = deps;
  }

  /** The lines that it printed, as CSV. The words of a command have to be checked before: nothing here quotes them. */
  async read(command: string, signal: AbortSignal): Promise<string[]> {
    const lines = await this.#run(command, signal);
    if (lines.some((line) => COMPLAINT.test(line) && line.split(',').length < CSV_COLUMNS)) {
      throw this.#refusal(command, lines);
    }
    return lines;
  }

  /** A command that prints nothing when it was done. What it did is for the caller to read back. */
  async change(command: string, signal: AbortSignal): Promise<void> {
    const lines = await this.#run(command, signal);
    if (lines.length > 0) throw this.#refusal(command, lines);
  }

  async #run(command: string, signal: AbortSignal): Promise<string[]> {
    if (!SAFE_COMMAND.test(command)) throw new DriverError('internal', `not a command: ${JSON.stringify(command)}`);
    const bounded = within(COMMAND_DEADLINE_MS, signal);
    // Few need it, and it takes its time to load.
    const ssh2 = await import('ssh2');
    const client = new ssh2.Client();
    // Our own: the client's `destroy` leaves one alone that it has ended before.
    const socket = new Socket();
    const giveUp = (): void => void socket.destroy();
    bounded.addEventListener('abort', giveUp, { once: true });
    const started = performance.now();
    try {
      await this.#connect(client, socket, bounded);
      await overdueTimersHaveFired();
      if (bounded.reason instanceof DriverError) throw bounded.reason;
      const lines = linesOf(await this.#talk(client, command), command);
      if (lines === undefined) throw this.#lost(command, 'the session ended before the command did');
      this.#deps.logger.debug('CLI command', {
        array: this.label,
        command,
        ms: Math.round(performance.now() - started),
      });
      return lines;
    } finally {
      client.end();
      const farewell = setTimeout(giveUp, FAREWELL_MS).unref();
      socket.once('close', () => {
        clearTimeout(farewell);
        bounded.removeEventListener('abort', giveUp);
      });
    }
  }

  async #connect(client: Client, socket: Socket, signal: AbortSignal): Promise<void> {
    let untrusted: unknown;
    try {
      const known = await readHostKeys(this.#settings);
      const auth = this.#auth(client, await openPassword(this.#settings.password, signal));
      const config: ConnectConfig = {
        ...auth,
        ...(known.length === 0 ? {} : { algorithms: { serverHostKey: algorithmsOf(known) } }),
        // Returns nothing: ssh2 takes a promise for a yes.
        hostVerifier: (key: Buffer, verify: (isArray: boolean) => void): void => {
          judgeHostKey(this.#settings, { key, known }, { label: this.label, ...this.#deps }).then(
            () => verify(true),
            (thrown: unknown) => {
              untrusted = thrown;
              verify(false);
            },
          );
        },
      };
      signal.throwIfAborted();
      const { host, port } = this.#settings;
      socket.connect({ host, port });
      await ready(client, { ...config, sock: socket });
    } catch (thrown) {
      if (signal.reason instanceof DriverError) throw signal.reason;
      if (untrusted !== undefined) throw asDriverError(untrusted);
      if (thrown instanceof DriverError) throw thrown;
      const reason = signal.aborted ? 'no answer in time' : asDriverError(thrown).message;
      throw new DriverError(
        'unavailable',
        `${this.label} cannot be reached: ${reason.replace('unexpected failure: ', '')}`,
        {
          next: 'check san_ip, san_ssh_port, san_login and san_password in hpe.conf, and that the array takes SSH connections',
        },
      );
    }
  }

  #auth(client: Client, password: Secret): ConnectConfig {
    const { user, privateKey, timeoutSeconds } = this.#settings;
    const secret = password.reveal();
    client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) => {
      finish(prompts.map(() => secret));
    });
    const key = privateKey === undefined ? {} : { privateKey: privateKey.reveal() };
    const readyTimeout = timeoutSeconds * 1000;
    return { username: user, password: secret, tryKeyboard: true, readyTimeout, ...key };
  }

  /** Everything that the shell has printed until it closed. */
  async #talk(client: Client, command: string): Promise<string> {
    return new Promise<string>((resolve, reject) => {
      let isSent = false;
      const lose = (reason: string): void =>
        reject(isSent ? this.#lost(command, reason) : this.#unsent(command, reason));
      client.on('error', (error) => lose(error.message));
      client.on('close', () => lose('the connection broke, or the time ran out'));
      const window = { term: 'dumb', cols: COLUMNS, rows: 50 };
      const open = (error: Error | undefined, channel: ClientChannel): void => {
        if (error !== undefined) return lose(error.message);
        collect(channel, lose, resolve);
        isSent = true;
        channel.write(`setclienv csvtable 1\n${command}\nexit\n`);
      };
      try {
        client.shell(window, open);
      } catch (error) {
        // It throws for a connection that has ended since the login.
        lose(asDriverError(error).message.replace('unexpected failure: ', ''));
      }
    });
  }

  #unsent(command: string, reason: string): DriverError {
    const text = `${this.label} opened no shell, before ${JSON.stringify(command)} was sent: ${reason}`;
    return new DriverError('unavailable', text, { next: 'see the sessions with: showuserconn, and the network' });
  }

  #refusal(command: string, lines: string[]): DriverError {
    const said = lines.join(' ').replaceAll(/\s+/g, ' ').trim().slice(0, LONGEST_QUOTE);
    return new DriverError('refused', `${this.label} answered ${JSON.stringify(command)} with: ${said}`, {
      next: 'see that san_login may do this (showuser), and type the command on the array',
    });
  }

  #lost(command: string, reason: string): DriverError {
    return new DriverError(
      'unknown-outcome',
      `${this.label} got ${JSON.stringify(command)}, but its answer was lost: ${reason}; it may or may not be done`,
      { next: 'check the network and the array' },
    );
  }
}

function collect(channel: ClientChannel, lose: (reason: string) => void, done: (text: string) => void): void {
  let text = '';
  channel.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    if (text.length > LARGEST_OUTPUT) lose('it prints without an end');
  });
  channel.on('error', (error: Error) => lose(error.message));
  channel.on('close', () => done(text));
}

async function ready(client: Client, config: ConnectConfig): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.on('ready', resolve);
    client.on('error', reject);
    client.on('close', () => reject(new Error('the connection was closed')));
    client.connect(config);
    // A login is a dozen small messages that wait for each other.
    client.setNoDelay(true);
  });
}

/** The server shows one of the keys that are known, where it has several. */
function algorithmsOf(known: HostKey[]): ServerHostKeyAlgorithm[] {
  const names = known.flatMap(({ type }) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', type] : [type]));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return [...new Set(names)] as ServerHostKeyAlgorithm[];
}

/**
 * What stands between the prompt with the command and the prompt with `exit`; the terminal has echoed all lines before
 * these, too. Undefined when either is missing.
 */
export function linesOf(text: string, command: string): string[] | undefined {
  const lines = text.split(/\r*\n/);
  const at = (typed: string): number => lines.findLastIndex((line) => line.trimEnd().endsWith(`cli% ${typed}`));
  const [begin, end] = [at(command), at('exit')];
  return begin === -1 || end < begin ? undefined : lines.slice(begin + 1, end).filter((line) => line.trim() !== '');
}
