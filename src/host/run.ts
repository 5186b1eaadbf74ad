import { spawn } from 'node:child_process';
import { DriverError } from '../domain/errors.js';
import { overdueTimersHaveFired } from '../domain/overdue-timers.js';
import { errorCode } from './error-code.js';

export interface RunOptions {
  /** Milliseconds; then the command is killed. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Written to the command's standard input. */
  input?: string;
  /** Takes what the command prints, piece by piece; `stdout` is then empty. */
  onStdout?: (chunk: Buffer) => void;
}

export interface RunResult {
  stdout: string;
  stderr: string;
}

/** Runs a Linux tool, without a shell. Handed in everywhere, so that tests can record instead. @throws CommandError */
export type Run = (command: string, args: string[], options: RunOptions) => Promise<RunResult>;

export interface CommandOutcome extends RunResult {
  command: string;
  args: string[];
  /** Undefined when the command was killed or could not be started. */
  exitCode: number | undefined;
  /** Why there is no exit code. */
  reason?: string;
}

/** A command that did not end with exit code 0. A command that was cut off has an unknown outcome (rule 39). */
export class CommandError extends DriverError {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(outcome: CommandOutcome, cause?: unknown) {
    const said = firstLines(outcome.stderr);
    const how = outcome.reason ?? `exit code ${outcome.exitCode ?? 'unknown'}`;
    super(
      outcome.reason === undefined ? 'unavailable' : 'unknown-outcome',
      `${[outcome.command, ...outcome.args].join(' ')}: ${how}${said === '' ? '' : `: ${said}`}`,
      { cause },
    );
    this.name = 'CommandError';
    this.exitCode = outcome.exitCode;
    this.stdout = outcome.stdout;
    this.stderr = outcome.stderr;
  }
}

/** What a shell, `nsenter`, `chroot` or `nice` of `host_command_prefix` ends with when it cannot start the tool. */
const NOT_STARTED = [125, 126, 127];

/** Whether the tool could not be started at all, so that it says nothing of what it was to look at. */
export const isMissingTool = ({ exitCode, message }: CommandError): boolean =>
  exitCode === undefined ? message.includes('could not be run') : NOT_STARTED.includes(exitCode);

/** A killed command is gone at once, unless it hangs in the kernel. */
const KILL_PATIENCE_MS = 1_000;

/** @throws CommandError; a second after the deadline at the latest, also when the command hangs in the kernel and cannot be killed */
export const run: Run = async (command, args, options) => {
  const outcome = { command, args, exitCode: undefined, stdout: '', stderr: '' };
  await overdueTimersHaveFired();
  if (options.signal?.aborted === true) {
    throw new CommandError({ ...outcome, reason: 'not started, the caller gave up' }, options.signal.reason);
  }
  return new Promise<RunResult>((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe', env: toolEnvironment(), detached: true });
    const output: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    child.stdout.on('data', options.onStdout ?? ((chunk: Buffer) => output.stdout.push(chunk)));
    child.stderr.on('data', (chunk: Buffer) => output.stderr.push(chunk));
    const texts = (): RunResult => ({
      stdout: Buffer.concat(output.stdout).toString(),
      stderr: Buffer.concat(output.stderr).toString(),
    });
    const settle = (end: { exitCode?: number | undefined; reason?: string; cause?: unknown }): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', giveUp);
      const { exitCode, reason, cause } = end;
      if (exitCode === 0) resolve(texts());
      else
        reject(
          new CommandError({ ...outcome, ...texts(), exitCode, ...(reason === undefined ? {} : { reason }) }, cause),
        );
    };
    let isCutOff = false;
    const cutOff = (reason: string, cause?: unknown): void => {
      if (isCutOff) return;
      isCutOff = true;
      killGroup(child.pid);
      const end = (): void => {
        clearTimeout(patience);
        for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
        settle({ reason, cause });
      };
      // What it still does after our answer would be nobody's to undo; but one that hangs in the kernel must not keep us.
      const patience = setTimeout(end, KILL_PATIENCE_MS);
      child.once('exit', end);
    };
    const timer = setTimeout(() => cutOff(`timed out after ${options.timeoutMs} ms and was killed`), options.timeoutMs);
    const giveUp = (): void => cutOff('killed, the caller gave up', options.signal?.reason);
    options.signal?.addEventListener('abort', giveUp, { once: true });
    child.once('error', (error) => settle({ reason: `could not be run (${error.message})`, cause: error }));
    child.once('close', (code, signal) => {
      if (!isCutOff) settle(code === null ? { reason: `killed by ${signal ?? 'a signal'}` } : { exitCode: code });
    });
    // A command that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
  });
};

/** The command and what it started: `detached` made it the leader of a process group. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

let inherited: NodeJS.ProcessEnv | undefined;

/** Messages in English, whatever the host speaks, and the system tools also where PATH lacks them. All of `process.env` is copied once: that is slow. */
function toolEnvironment(): NodeJS.ProcessEnv {
  inherited ??= { ...process.env };
  return { ...inherited, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin` };
}

function firstLines(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(0, 3).join(' | ').slice(0, 400);
}
