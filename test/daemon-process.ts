import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import type { WallClock } from './wall-clock.js';
import { dockerClient, type DockerClient } from './docker-client.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const HOOK = path.join(root, 'test/daemon-process-hook.mjs');
/** The compiled product: it starts three times as fast as the source. */
const PROGRAM = path.join(root, 'dist/main.js');
/** The same with short leases and rounds. */
const HURRIED_PROGRAM = path.join(root, 'test/daemon-entry.mjs');
const START_MS = 60_000;
const ANSWER_MS = 10_000;

/** A call that a verb made to the outside, in words; see the hook for what counts. */
export interface OutwardCall {
  label: string;
  /** The label without numbers that are new each time. */
  name: string;
  done: boolean;
}

/**
 * A signal for the daemon just before or just after one call of the next verb, counted from 1; of a tool also while it runs.
 * SIGSTOP before a change on an array, or a tool, comes in the last look at the locks in front of it
 * (`src/domain/overdue-timers.ts`).
 */
export interface Strike {
  call: number;
  when: 'before' | 'during' | 'after';
  signal: 'SIGKILL' | 'SIGSTOP';
}

/** The same by the call's name, and which of those that have it, from 1: calls that go out together have no order. What comes after a look is not known in it, so SIGSTOP does not strike before such a call. */
export interface NamedStrike extends Omit<Strike, 'call'> {
  call: { name: string; nth: number };
}

/** What had been called when the signal was sent. */
export interface Struck {
  number: number;
  when: Strike['when'];
  calls: OutwardCall[];
}

export interface DaemonOptions {
  /** Socket, state directory and log are below it. */
  dir: string;
  configFile: string;
  /** What it takes for the name of its host. */
  nodeName: string;
  /** Seconds that its leases live, and milliseconds between two rounds of recovery; as users have them when not given. */
  hurry?: { leaseTtl: number; roundMs: number };
  /** A wall clock of its own, also for the tools that it starts; that of the host when not given. */
  clock?: WallClock;
  /** What Node is given to run, hook included, and where that has its socket and its state; the compiled product below `dir` if not said. */
  program?: { args: string[]; socketPath: string; stateDir: string };
}

/** The daemon as a process of its own, with what dockerd and an angry operator do to it. */
export class DaemonProcess {
  readonly docker: DockerClient;
  readonly nodeName: string;
  readonly stateDir: string;
  readonly socketPath: string;
  readonly logFile: string;
  readonly #options: DaemonOptions;
  readonly #strikeFile: string;
  #child: ChildProcess | undefined;
  #questions = 0;

  /** `npm run build` has to have been run; nothing is started yet. */
  constructor(options: DaemonOptions) {
    const { dir, nodeName, program } = options;
    this.#options = options;
    this.nodeName = nodeName;
    this.stateDir = program?.stateDir ?? path.join(dir, 'state');
    this.socketPath = program?.socketPath ?? path.join(dir, 'hpe.sock');
    this.logFile = path.join(dir, 'daemon.log');
    this.#strikeFile = path.join(dir, 'strike.json');
    this.docker = dockerClient(this.socketPath);
  }

  /** Returns when it answers on its socket. @throws when it ends instead, with the end of its log */
  async start(): Promise<void> {
    const log = openSync(this.logFile, 'a');
    const serve = ['serve', '--config', this.#options.configFile, '--socket', this.socketPath];
    const { hurry, program } = this.#options;
    const args = program?.args ?? ['--import', HOOK, hurry === undefined ? PROGRAM : HURRIED_PROGRAM];
    const child = spawn(process.execPath, [...args, ...serve, '--state-dir', this.stateDir], {
      stdio: ['ignore', log, log, 'ipc'],
      env: {
        ...process.env,
        HPE_TEST_HOSTNAME: this.nodeName,
        HPE_TEST_STRIKE_FILE: this.#strikeFile,
        HPE_TEST_LEASE_TTL: String(hurry?.leaseTtl),
        HPE_TEST_ROUND_MS: String(hurry?.roundMs),
        ...this.#options.clock?.env,
      },
    });
    closeSync(log);
    this.#child = child;
    const until = performance.now() + START_MS;
    while (!(await answers(this.socketPath))) {
      if (hasEnded(child)) throw new Error(`the daemon ended at its start:\n${await this.logTail()}`);
      if (performance.now() > until) throw new Error(`no answer on ${this.socketPath}:\n${await this.logTail()}`);
      await pause(10);
    }
  }

  /** Of the process that runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** SIGKILL; returns when it is gone, also when it was gone before. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and SIGKILL for one that does not listen. */
  async stop(): Promise<void> {
    const patience = setTimeout(() => this.#child?.kill('SIGKILL'), 20_000);
    await this.#end('SIGTERM');
    clearTimeout(patience);
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  get isRunning(): boolean {
    return this.#child !== undefined && !hasEnded(this.#child);
  }

  /** Notes the outward calls of the verbs that come now, and strikes at one of them if asked to. */
  async watch(at?: Strike | NamedStrike): Promise<void> {
    await rm(this.#strikeFile, { force: true });
    await this.#ask('watch', { at });
  }

  /** Waits until the verbs that were answered have given up their locks, or were struck in that; false when they keep some. */
  async over(): Promise<boolean> {
    const answer = this.#ask('over').then(
      (isOver) => isOver === true,
      // It was struck, or is gone.
      () => true,
    );
    for (;;) {
      const isOver = await Promise.race([answer, pause(10)]);
      if (isOver !== undefined) return isOver;
      if ((await this.struck()) !== undefined) return true;
    }
  }

  /** What the verbs called since `watch`, which ends with this. */
  async calls(): Promise<OutwardCall[]> {
    return (await this.#ask('calls')) as OutwardCall[];
  }

  /** Where the signal came; undefined if the verb was over before that. */
  async struck(): Promise<Struck | undefined> {
    try {
      return JSON.parse(await readFile(this.#strikeFile, 'utf8')) as Struck;
    } catch {
      return undefined;
    }
  }

  /** Keys and texts of the embedded metadata. */
  async embeddedMetadata(): Promise<[string, string][]> {
    return (await this.#ask('metadata')) as [string, string][];
  }

  /** All that it ever wrote. */
  async log(): Promise<string> {
    return readFile(this.logFile, 'utf8').catch(() => '');
  }

  async logTail(lines = 15): Promise<string> {
    return (await this.log()).trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** What it complained of lately. */
  async warnings(): Promise<string[]> {
    const lines = (await this.logTail(60))
      .split('\n')
      .filter((line) => /"level":"(warning|error)"/.test(line) && !line.includes('no host_etcd_ip_address'));
    return lines.slice(-5);
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async #ask(question: string, details: object = {}): Promise<unknown> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) throw new Error('the daemon does not run');
    this.#questions += 1;
    const id = this.#questions;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        child.off('message', listen);
        child.off('exit', gone);
        settle();
      };
      const listen = (message: { id: number; answer: unknown }): void => {
        if (message.id === id) finish(() => resolve(message.answer));
      };
      const gone = (): void => finish(() => reject(new Error(`the daemon ended before it answered ${question}`)));
      const timer = setTimeout(
        () => finish(() => reject(new Error(`no answer to ${question} in ${ANSWER_MS} ms`))),
        ANSWER_MS,
      );
      child.on('message', listen);
      child.once('exit', gone);
      // It may be dying already.
      child.send({ id, question, ...details }, (error) => {
        if (error !== null) finish(() => reject(error));
      });
    });
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
