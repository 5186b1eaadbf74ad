import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { dockerClient, type DockerClient } from '../docker-client.js';
import { rowOf, type Row } from './rows.js';

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const STARTS = 7;
/** Nobody listens there. */
const NOBODY = '127.0.0.1:9';
const GIVE_UP_MS = 20_000;

/** A daemon of the built product as users start it, without any hook. */
export interface BareDaemon {
  docker: DockerClient;
  /** From exec to the answer to `Plugin.Activate`. */
  activatedMs: number;
  /** Of the processor, by then; it says more on a machine that others share. */
  processorMs: number;
  /** Resident, of /proc. */
  memoryMiB(): Promise<number>;
  /** The most that was resident at any time. */
  peakMiB(): Promise<number>;
  stop(): Promise<void>;
}

/** The daemon at its start, with nothing but itself: arrays dead, and etcd too. Needs `npm run build`. */
export async function measureStarts(signal: AbortSignal): Promise<Row[]> {
  const without = { latencyMs: 0, clients: 1 };
  const limits = [{ of: 'median' as const, most: 400 }];
  const rows: Row[] = [];
  for (const [name, etcd] of [
    ['start to Activate, arrays dead', undefined],
    ['start to Activate, arrays and etcd dead', NOBODY],
  ] as const) {
    const times: number[] = [];
    const work: number[] = [];
    const memory: number[] = [];
    for (let i = 0; i < STARTS; i += 1) {
      signal.throwIfAborted();
      const dir = await mkdtemp(path.join(os.tmpdir(), 'bench-start-'));
      const daemon = await startBare(dir, etcd);
      times.push(daemon.activatedMs);
      work.push(daemon.processorMs);
      // By then whatever is loaded after the start is there.
      await pause(2_000);
      memory.push(await daemon.memoryMiB());
      await daemon.stop();
      await rm(dir, { recursive: true, force: true });
    }
    rows.push(rowOf({ name, ...without }, times, { limits }));
    rows.push(rowOf({ name: `processor time of the ${name}`, ...without }, work));
    rows.push(rowOf({ name: `memory after the ${name}`, ...without }, memory, { unit: 'MiB' }));
  }
  return rows;
}

/** Starts the daemon below `dir`, whose arrays are dead. @throws with its log when it does not answer */
export async function startBare(dir: string, etcd: string | undefined): Promise<BareDaemon> {
  const [configFile, socketPath] = [path.join(dir, 'hpe.conf'), path.join(dir, 'hpe.sock')];
  await writeFile(configFile, deadArrays(etcd), { mode: 0o600 });
  const logFile = path.join(dir, 'daemon.log');
  const log = openSync(logFile, 'a');
  const args = [PROGRAM, 'serve', '--config', configFile, '--socket', socketPath];
  const docker = dockerClient(socketPath);
  const began = performance.now();
  const child = spawn(process.execPath, [...args, '--state-dir', path.join(dir, 'state')], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  while (!(await docker.call('Plugin.Activate').catch(() => undefined))) {
    if (child.exitCode !== null || performance.now() - began > GIVE_UP_MS)
      throw new Error(`the daemon does not start:\n${await readFile(logFile, 'utf8')}`);
    await pause(2);
  }
  const activatedMs = performance.now() - began;
  const processorMs = await processorMsOf(child);
  return {
    docker,
    activatedMs,
    processorMs,
    memoryMiB: async () => residentMiB(child, 'VmRSS'),
    peakMiB: async () => residentMiB(child, 'VmHWM'),
    stop: async () => stop(child),
  };
}

/** One pair whose arrays refuse connections. */
function deadArrays(etcd: string | undefined): string {
  return `[DEFAULT]
hpedockerplugin_driver = hpedockerplugin.hpe.hpe_3par_iscsi.HPE3PARISCSIDriver
logging = INFO
${etcd === undefined ? '' : `host_etcd_ip_address = ${etcd}\n`}hpe3par_api_url = https://${NOBODY}/api/v1
hpe3par_username = user
hpe3par_password = password
hpe3par_cpg = CPG
hpe3par_iscsi_ips = 127.0.0.1
san_ip = 127.0.0.1
san_login = user
san_password = password
replication_device = backend_id:target,
    replication_mode:synchronous,
    cpg_map:CPG:CPG,
    snap_cpg_map:CPG:CPG,
    hpe3par_api_url:https://127.0.0.2:9/api/v1,
    hpe3par_username:user,
    hpe3par_password:password,
    hpe3par_iscsi_ips:127.0.0.1,
    san_ip:127.0.0.2,
    san_login:user,
    san_password:password
`;
}

/** User and system time of all threads, proc(5). */
async function processorMsOf({ pid }: ChildProcess): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function residentMiB({ pid }: ChildProcess, which: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(String.raw`^${which}:\s*(\d+)`, 'm').exec(status)?.[1]) / 1024;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
