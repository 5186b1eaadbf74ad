import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { qemuArguments, type VmOptions } from './qemu.js';
import { connectQmp, type Qmp } from './qmp.js';
import { connectSoon } from './unix-socket.js';

const execute = promisify(execFile);
const BOOT_MS = 180_000;
const SAVE_MS = 120_000;
/** A virtual machine; its directory is the guest's /host. */
export interface Vm {
  readonly dir: string;
  /** Runs shell commands in the guest, several at a time if asked to. @throws when it takes longer or the machine ends */
  exec(script: string, timeoutMs: number): Promise<{ status: number; output: string }>;
  /** Keeps memory and disk in a directory and ends the machine. */
  save(snapshot: string): Promise<void>;
  /** The end of the machine, without any farewell; its disk is thrown away. */
  stop(): Promise<void>;
  /** The kernel's messages, and what the first process printed. */
  console(): Promise<string>;
}

/** Boots; the share has to have `guest/`. Returns when the guest takes commands. */
export async function bootVm(options: VmOptions): Promise<Vm> {
  const disk = path.join(options.dir, 'disk.qcow2');
  const image = path.join(options.guest, 'root.img');
  await mkdir(options.dir, { recursive: true });
  await execute('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', image, disk]);
  const machine = await startQemu(options, `file=${disk},format=qcow2`);
  return ready(machine, options.dir, async (control) => {
    while ((await control.nextLine()) !== 'ready') continue;
  });
}

/** Starts from a saved state; any number may run from one. */
export async function restoreVm(options: VmOptions & { snapshot: string }): Promise<Vm> {
  const { snapshot, dir } = options;
  await mkdir(dir, { recursive: true });
  const disk = `file=${path.join(snapshot, 'disk.qcow2')},format=qcow2,snapshot=on`;
  const machine = await startQemu(options, disk, ['-incoming', `exec:cat ${path.join(snapshot, 'memory')}`]);
  return ready(machine, dir, async (control, qmp) => {
    // What is written to the serial port before that is lost.
    while (((await qmp.execute('query-status')) as { status: string }).status !== 'running') await pause(20);
    const status = await control.ask('thaw', `thaw ${Date.now() / 1000}`);
    if (status !== 0) throw new Error(`the share could not be mounted again: status ${status}`);
  });
}

/** The guest's first process, which takes commands on a serial port. */
interface Control {
  nextLine(): Promise<string>;
  /** Sends a line and waits for the answer that begins with the word. */
  ask(word: string, line: string): Promise<number>;
}

interface Machine {
  qemu: ChildProcess;
  qmp: Qmp;
  control: Control;
}

async function startQemu(options: VmOptions, drive: string, more: string[] = []): Promise<Machine> {
  const { dir } = options;
  await mkdir(path.join(dir, 'commands'), { recursive: true });
  const at = (name: string): string => path.join(dir, name);
  const args = [...qemuArguments(options, drive), ...more];
  const log = await open(at('qemu.log'), 'w');
  // It goes with this process, whatever ends that.
  const command = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args];
  const qemu = spawn('setpriv', command, { stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  const ended = new AbortController();
  const fail = (): void => ended.abort(new Error(`QEMU has ended; see ${at('qemu.log')}`));
  qemu.once('exit', fail).once('error', fail);
  const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(BOOT_MS)]);
  try {
    const control = await controlAt(at('control'), signal, ended.signal);
    return { qemu, control, qmp: await connectQmp(at('qmp'), signal) };
  } catch (error) {
    qemu.kill('SIGKILL');
    throw error;
  }
}

async function controlAt(socketPath: string, signal: AbortSignal, ended: AbortSignal): Promise<Control> {
  const socket = await connectSoon(socketPath, signal);
  const waiting = new Map<string, { resolve(line: string): void; reject(reason: unknown): void }>();
  const lines = createInterface({ input: socket });
  // The end of QEMU is told by the process itself.
  lines.on('error', () => undefined);
  lines.on('line', (line) => {
    const word = [line.split(' ')[0] ?? '', '*'].find((each) => waiting.has(each)) ?? '';
    waiting.get(word)?.resolve(line);
    waiting.delete(word);
  });
  ended.addEventListener('abort', () => {
    for (const { reject } of waiting.values()) reject(ended.reason);
  });
  const answer = async (word: string): Promise<string> =>
    new Promise((resolve, reject) => {
      waiting.set(word, { resolve, reject });
    });
  return {
    nextLine: async () => answer('*'),
    async ask(word, line) {
      const answered = answer(word);
      socket.write(`${line}\n`);
      return Number((await answered).split(' ')[1]);
    },
  };
}

async function ready(
  { qemu, qmp, control }: Machine,
  dir: string,
  begin: (control: Control, qmp: Qmp) => Promise<void>,
): Promise<Vm> {
  const stop = async (): Promise<void> => {
    if (qemu.exitCode !== null || qemu.signalCode !== null) return;
    const ended = once(qemu, 'exit');
    qemu.kill('SIGKILL');
    await ended;
  };
  const vm: Vm = {
    dir,
    exec: commands({ dir, control }),
    async save(snapshot) {
      await within(SAVE_MS, 'saving', saveTo({ qmp, control, dir, snapshot }));
      await stop();
    },
    stop,
    console: async () => readFile(path.join(dir, 'console.log'), 'utf8'),
  };
  try {
    await within(BOOT_MS, 'start of the guest', begin(control, qmp));
    return vm;
  } catch (error) {
    const tail = (await vm.console()).trim().split('\n').slice(-15).join('\n');
    await stop();
    throw new Error(`${String(error)}\n${tail}`, { cause: error });
  }
}

function commands({ dir, control }: { dir: string; control: Control }): Vm['exec'] {
  let count = 0;
  return async (script, timeoutMs) => {
    const name = String(count++);
    const at = path.join(dir, 'commands', name);
    await writeFile(`${at}.sh`, `${script}\n`);
    const seconds = Math.ceil(timeoutMs / 1000);
    // The guest's own clock may be late.
    const status = await within(2 * timeoutMs + 20_000, script, control.ask(name, `${name} ${seconds}`));
    const output = await readFile(`${at}.out`, 'utf8');
    return { status, output };
  };
}

async function saveTo(of: { qmp: Qmp; control: Control; dir: string; snapshot: string }): Promise<void> {
  const { qmp, control, dir, snapshot } = of;
  await mkdir(snapshot, { recursive: true });
  if ((await control.ask('freeze', 'freeze')) !== 0) throw new Error('a process in the guest keeps /host busy');
  // Not stopped before: what is saved paused is paused when it is restored.
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 10_000_000_000 });
  await qmp.execute('migrate', { uri: `exec:cat > ${path.join(snapshot, 'memory')}` });
  for (;;) {
    const { status } = (await qmp.execute('query-migrate')) as { status: string };
    if (status === 'completed') break;
    if (status === 'failed') throw new Error('the machine could not be saved');
    await pause(50);
  }
  await qmp.execute('quit').catch(() => undefined);
  await rename(path.join(dir, 'disk.qcow2'), path.join(snapshot, 'disk.qcow2')).catch(async () => {
    await copyFile(path.join(dir, 'disk.qcow2'), path.join(snapshot, 'disk.qcow2'));
  });
}

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${ms / 1000} s: ${what}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
