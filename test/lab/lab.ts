import { cp, link, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundle } from './bundle.js';
import { buildGuest, CACHE, SCRIPTS } from './guest.js';
import { makePluginTars } from './plugin-tar.js';
import type { Scenario } from './scenarios/scenario.js';
import { savedMachine } from './saved-machine.js';
import { bootVm, restoreVm, type Vm } from './vm.js';

const PREPARE_MS = 300_000;
const SECOND_NODE_MS = 120_000;
const COPY_MS = 20_000;

export interface Result {
  scenario: Scenario;
  seconds: number;
  /** What it says of itself. */
  notes: string[];
  /** What went wrong, and where the logs are. */
  failure: string | undefined;
  /** The machine, if it was to be kept. */
  vm: Vm | undefined;
}

/** Cables between two machines; `of` is the one that makes them, and is restored first. */
interface Cables {
  of: string;
  end: 'makes' | 'finds';
}

/** Machines that are restored from one saved state. */
export interface Lab {
  /** A fresh machine, with everything that scenarios need. */
  restore(name: string, cables?: Cables): Promise<Vm>;
  run(scenario: Scenario, options: { full: boolean; keep: boolean }): Promise<Result>;
  /** Ends all machines and removes everything but the cache. */
  close(): Promise<void>;
}

/** Builds the guest and the programs, boots once, starts everything and saves the machine; what the cache has is used. */
export async function openLab(): Promise<Lab> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-lab-'));
  const vms = new Set<Vm>();
  const close = async (): Promise<void> => {
    for (const vm of vms) await vm.stop();
    await rm(dir, { recursive: true, force: true });
  };
  const interrupted = (): void => void close().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const share = async (name: string): Promise<string> => {
    const made = path.join(dir, name);
    await mkdir(made);
    await cp(SCRIPTS, path.join(made, 'guest'), { recursive: true });
    await cp(path.join(dir, 'app'), path.join(made, 'app'), { recursive: true });
    return made;
  };
  try {
    const guest = await told('guest', buildGuest);
    await told('programs', async () => bundle(path.join(dir, 'app')));
    const snapshot = await told('machine', async () =>
      savedMachine({ guest, app: path.join(dir, 'app') }, async (target) => {
        const vm = await bootVm({ guest, dir: await share('boot') });
        vms.add(vm);
        try {
          await expectSuccess(vm, 'node /host/app/lib/prepare.mjs', PREPARE_MS);
        } finally {
          await keepLogs(vm, path.join(CACHE, 'logs', 'prepare'));
        }
        await vm.save(target);
      }),
    );
    const restore: Lab['restore'] = async (name, cables) => {
      const options = { guest, dir: await share(name), snapshot };
      const vm = await restoreVm({
        ...options,
        ...(cables && { cables: { ...cables, dir: path.join(dir, cables.of) } }),
      });
      vms.add(vm);
      return vm;
    };
    const run: Lab['run'] = async (scenario, options) => {
      if (scenario.managed !== true) return runIn(restore, scenario, options);
      const tars = await told('plugin', async () => makePluginTars(dir, path.join(dir, 'app')));
      const withPlugin: Lab['restore'] = async (...args) => {
        const vm = await restore(...args);
        for (const tar of tars) await link(tar, path.join(vm.dir, path.basename(tar)));
        return vm;
      };
      return runIn(withPlugin, scenario, options);
    };
    return { restore, close, run };
  } catch (error) {
    await close();
    throw error;
  }
}

async function runIn(
  restore: Lab['restore'],
  scenario: Scenario,
  { full, keep }: { full: boolean; keep: boolean },
): Promise<Result> {
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const logs = path.join(CACHE, 'logs', scenario.name);
  let notes: string[] = [];
  const cables = `${scenario.name}-2`;
  const second = scenario.twoNodes && (await restore(cables, { of: cables, end: 'makes' }));
  let vm: Vm | undefined;
  let failure: string | undefined;
  try {
    // It changes its name and addresses before there is anybody at the other end of its cables.
    if (second !== undefined) await expectSuccess(second, 'node /host/app/lib/second-node.mjs', SECOND_NODE_MS);
    vm = await restore(scenario.name, second && { of: cables, end: 'finds' });
    const command = `node /host/app/lib/scenario.mjs ${scenario.name}${full ? ' --full' : ''}`;
    const timeoutMs = full ? (scenario.fullTimeoutMs ?? scenario.timeoutMs) : scenario.timeoutMs;
    const output = await expectSuccess(vm, command, timeoutMs);
    if (keep) console.log(output);
    notes = [...output.matchAll(/^note: (.*)$/gm)].map(([, note = '']) => note);
  } catch (error) {
    failure = `${error instanceof Error ? error.message : String(error)}\nlogs: ${logs}`;
  }
  await rm(logs, { recursive: true, force: true });
  if (vm !== undefined) await keepLogs(vm, logs);
  if (second !== undefined) await keepSecondNodesLogs(second, path.join(logs, 'node2'));
  if (!keep) await Promise.all([vm?.stop(), second?.stop()]);
  return { scenario, seconds: seconds(), notes, failure, vm: keep ? vm : undefined };
}

/** Only the program that ends with the scenario takes its node's logs to the host. */
async function keepSecondNodesLogs(vm: Vm, target: string): Promise<void> {
  await vm.exec('mkdir -p /host/logs; cp /var/log/lab/* /host/logs/', COPY_MS).catch(() => undefined);
  await keepLogs(vm, target);
}

/** @throws with all that it printed, and the kernel's last words */
async function expectSuccess(vm: Vm, command: string, timeoutMs: number): Promise<string> {
  const { status, output } = await vm.exec(command, timeoutMs);
  if (status === 0) return output;
  const console = (await vm.console()).trim().split('\n').slice(-10).join('\n');
  throw new Error(`${output.trimEnd()}\nexit ${status}${status === 124 ? ': out of time' : ''}\nconsole:\n${console}`);
}

/** What the programs in the guest have logged, and what the scenario has printed. */
async function keepLogs(vm: Vm, target: string): Promise<void> {
  for (const name of ['logs', 'commands', 'console.log']) {
    await cp(path.join(vm.dir, name), path.join(target, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function told<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  console.log(`${what} ready (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return result;
}
