import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerChannel } from 'ssh2';
import { splitCommands } from './cli-words.js';
import { isExit, withCarriageReturns } from './ssh-exec.js';
import type { CommandLine, CommandSession } from './ssh-exec.js';

/** What arrives before the shell reads is echoed by the terminal. It starts on the first input, or soon without any. */
const startupMs = 100;
const settleMs = 5;
const interrupt = '\u0003';
const endOfInput = '\u0004';
const clearLine = '\u0015';
const erase = ['\b', '\u007f'];
/** Arrow keys and the like. */
const escape = '\u001b';
const escapeSequence = new RegExp(`${escape}\\[[0-9;]*[A-Za-z~]`, 'g');

/**
 * The interactive shell on a terminal. Clients send all their lines at once and cut the answer by its layout (reference
 * 7.1), so the echo has to be the array's: lines that arrive in one go, or before the shell reads, are echoed at once by
 * the terminal and again after the prompt; a line typed at the prompt is echoed there only.
 */
export class TerminalShell {
  readonly #channel: ServerChannel;
  readonly #prompt: string;
  readonly #session: CommandSession;
  /** Received and echoed by the terminal, not yet read by the shell. */
  #ahead = '';
  /** Stands after the prompt, without its line end yet. */
  #typed = '';
  /** Set while the shell waits at its prompt. */
  #deliver: ((line: string | undefined) => void) | undefined;
  #ended = false;
  #started: () => void = () => undefined;

  constructor(channel: ServerChannel, cli: CommandLine) {
    this.#channel = channel;
    this.#prompt = `${cli.systemName} cli% `;
    this.#session = cli.newSession();
  }

  /** Returns after `exit`, or when the client has ended its input and all complete lines were run. */
  async run(): Promise<void> {
    this.#channel.on('data', (chunk: Buffer) => this.#receive(chunk.toString('utf8')));
    this.#channel.on('end', () => this.#end());
    this.#channel.on('close', () => this.#end());
    await this.#start();
    let line = await this.#readLine();
    while (line !== undefined && (await this.#runLine(line))) line = await this.#readLine();
    this.#channel.exit(0);
    this.#channel.end();
  }

  async #start(): Promise<void> {
    const input = new Promise<void>((resolve) => {
      this.#started = resolve;
    });
    await Promise.race([input, sleep(startupMs)]);
    await sleep(settleMs);
  }

  /** False after `exit`. */
  async #runLine(line: string): Promise<boolean> {
    for (const command of splitCommands(line)) {
      if (isExit(command)) return false;
      const { output } = await this.#session.run(command);
      this.#channel.write(withCarriageReturns(output));
    }
    return true;
  }

  async #readLine(): Promise<string | undefined> {
    if (this.#ahead.includes('\n')) return this.#readAhead();
    this.#typed = this.#ahead;
    this.#ahead = '';
    this.#channel.write(this.#prompt + this.#typed);
    if (this.#ended) return undefined;
    const line = await new Promise<string | undefined>((resolve) => {
      this.#deliver = resolve;
    });
    this.#deliver = undefined;
    return line;
  }

  /** The next complete line of what was received ahead, echoed after its prompt. */
  #readAhead(): string {
    const length = this.#ahead.indexOf('\n');
    const line = this.#ahead.slice(0, length);
    this.#ahead = this.#ahead.slice(length + 1);
    this.#channel.write(`${this.#prompt}${line}\r\n`);
    return line;
  }

  #receive(chunk: string): void {
    this.#started();
    const text = chunk.replace(escapeSequence, '').replace(/\r\n?/g, '\n');
    const typedByHand = this.#deliver !== undefined && !text.slice(0, -1).includes('\n');
    if (typedByHand) {
      for (const character of text) this.#type(character);
      return;
    }
    this.#channel.write(withCarriageReturns(text));
    this.#ahead += this.#typed + text;
    this.#typed = '';
    this.#deliver?.(this.#readAhead());
  }

  #type(character: string): void {
    if (character === '\n') {
      this.#channel.write('\r\n');
      this.#deliver?.(this.#typed);
      this.#typed = '';
    } else if (character === interrupt) {
      this.#channel.write(`^C\r\n${this.#prompt}`);
      this.#typed = '';
    } else if (character === endOfInput) {
      if (this.#typed === '') this.#end();
    } else if (character === clearLine) {
      this.#channel.write('\b \b'.repeat(this.#typed.length));
      this.#typed = '';
    } else if (erase.includes(character)) {
      if (this.#typed !== '') this.#channel.write('\b \b');
      this.#typed = this.#typed.slice(0, -1);
    } else {
      this.#channel.write(character);
      this.#typed += character;
    }
  }

  #end(): void {
    this.#ended = true;
    this.#deliver?.(undefined);
  }
}
