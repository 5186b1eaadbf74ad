import { setTimeout as sleep } from 'node:timers/promises';
import type { ArrayPair } from './array-pair.js';
import type { SimulatedArray } from './array.js';
import { CliError, parseArguments } from './cli-arguments.js';
import type { Command } from './cli-command.js';
import { remoteCopyCommands } from './cli-remote-copy.js';
import { remoteCopyShowCommands } from './cli-showrcopy.js';
import { scheduleCommands } from './cli-schedules.js';
import { createsv } from './cli-snapshots.js';
import { systemCommands } from './cli-system.js';
import type { TableStyle } from './cli-tables.js';
import { taskCommands } from './cli-tasks.js';
import { volumeChangeCommands } from './cli-volume-changes.js';
import { volumeSetCommands } from './cli-volume-sets.js';
import { volumeCommands } from './cli-volumes.js';
import { splitWords } from './cli-words.js';
import { Refusal } from './codes.js';
import type { Fault } from './faults.js';
import { countingFileWork } from './file-work.js';
import { setPower } from './outage.js';
import type { CommandLine, CommandResult, CommandSession } from './ssh-exec.js';

const commands = new Map<string, Command>(
  Object.entries({
    ...remoteCopyShowCommands,
    ...remoteCopyCommands,
    ...volumeCommands,
    ...volumeChangeCommands,
    ...volumeSetCommands,
    createsv,
    ...scheduleCommands,
    ...systemCommands,
    ...taskCommands,
  }),
);

/** Thrown instead of a result: the connection breaks and the client learns nothing. */
class ConnectionLost extends Error {}

/** The command line of one array of the pair; every command passes the log, the latency and the faults of the pair. */
export function makeCommandLine(pair: ArrayPair, array: SimulatedArray): CommandLine {
  return { systemName: array.name, newSession: () => new Session(pair, array) };
}

class Session implements CommandSession {
  readonly #pair: ArrayPair;
  readonly #array: SimulatedArray;
  readonly #style: TableStyle = { csv: false, bare: false };

  constructor(pair: ArrayPair, array: SimulatedArray) {
    this.#pair = pair;
    this.#array = array;
  }

  async run(command: string): Promise<CommandResult> {
    const startMs = performance.now();
    let status = 1;
    const fileWork = { ms: 0 };
    try {
      const result = await countingFileWork(fileWork, async () => this.#answer(command));
      status = result.failed ? 1 : 0;
      return result;
    } finally {
      const array = this.#array.name;
      this.#pair.log.add({ array, startMs, fileMs: fileWork.ms, protocol: 'ssh', command, status });
    }
  }

  async #answer(text: string): Promise<CommandResult> {
    const [name = '', ...words] = splitWords(text);
    if (name === 'setclienv') return this.#printed(() => this.#setEnvironment(words));
    if (name === 'help') return this.#printed(() => help(words));
    const fault = this.#pair.faults.take(this.#array.name, { command: text });
    await sleep(this.#pair.latencyMs + (fault?.effect === 'delay' ? fault.ms : 0));
    if (fault?.effect === 'error') return faultError(fault);
    if (fault?.effect === 'ok-not-done') return { output: '', failed: false };
    if (fault?.effect === 'reset') throw new ConnectionLost();
    if (fault?.effect === 'power-off') {
      await this.#pair.exclusive(() => setPower(this.#pair, this.#array, false));
      throw new ConnectionLost();
    }
    if (fault?.effect === 'hang') return new Promise<never>(() => undefined);
    const result = await this.#printed(() => this.#execute(name, words));
    if (fault?.effect === 'lost-reply') throw new ConnectionLost();
    return fault?.effect === 'done-but-error' ? faultError(fault) : result;
  }

  async #printed(work: () => string[] | Promise<string[]>): Promise<CommandResult> {
    try {
      const lines = await work();
      return { output: lines.map((line) => `${line}\n`).join(''), failed: false };
    } catch (error) {
      if (error instanceof CliError) return { output: `${error.message}\n`, failed: true };
      if (error instanceof Refusal) return { output: `Error: ${error.message}\n`, failed: true };
      if (!(error instanceof ConnectionLost)) console.error('command failed:', error);
      throw error;
    }
  }

  #execute(name: string, words: string[]): string[] | Promise<string[]> {
    const command = getCommand(name);
    const given = parseArguments(words, command);
    const work = () => {
      if (!this.#array.powered) throw new ConnectionLost();
      return command.run({ pair: this.#pair, array: this.#array, style: this.#style, given });
    };
    return command.changes ? this.#pair.exclusive(work) : work();
  }

  #setEnvironment(words: string[]): string[] {
    const [setting, value] = words;
    if (words.length !== 2 || !['0', '1'].includes(value ?? '')) {
      throw new CliError('Error: Invalid setting. Usage: setclienv csvtable|nohdtot 0|1');
    }
    if (setting === 'csvtable') this.#style.csv = value === '1';
    else if (setting === 'nohdtot') this.#style.bare = value === '1';
    else throw new CliError(`Error: Invalid environment variable ${setting}`);
    return [];
  }
}

function getCommand(name: string): Command {
  const command = commands.get(name);
  if (command === undefined) throw new CliError(`invalid command name "${name}"`);
  return command;
}

function help([name]: string[]): string[] {
  if (name !== undefined) return [getCommand(name).usage];
  const usages = [...commands.values()].map((command) => command.usage);
  return [...usages, 'setclienv csvtable|nohdtot 0|1', 'help [<command>]', 'exit'];
}

function faultError({ code }: Fault): CommandResult {
  return { output: `Error: The system could not run the command (code ${code})\n`, failed: true };
}
