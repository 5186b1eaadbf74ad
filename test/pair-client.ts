import { Client } from 'ssh2';
import type { LogEntry } from '../src/simulator/request-log.js';
import type { FaultSpec } from '../src/simulator/faults.js';
import type { ReadyArray, ReadyLine } from '../src/simulator/pair.js';

export type SimulatedArray = ReadyArray;
export type ReadyPair = ReadyLine;

const ISCSI_DRIVER = 'hpe_3par_iscsi.HPE3PARISCSIDriver';
const FC_DRIVER = 'hpe_3par_fc.HPE3PARFCDriver';

export type ReplicationMode = 'synchronous' | 'asynchronous';

/** The array of one side of the backend `DEFAULT` that `hpeConf` writes. */
export function arrayOf(pair: ReadyPair, side: 'primary' | 'secondary'): SimulatedArray {
  return pair.arrays[side === 'primary' ? 0 : 1];
}

export interface ConfOptions {
  mode: ReplicationMode;
  /** Directory of the loopback fabric; without it volumes are attached over a real one. */
  fabricDir?: string;
  /** `iscsi` if not said. */
  protocol?: 'iscsi' | 'fc';
  /** Both arrays demand CHAP. */
  chap?: boolean;
  /** Peer persistence, with that quorum witness. */
  witness?: string;
  /** More lines for the [DEFAULT] section. */
  more?: string[];
  /** One more backend, `periodic`, whose groups replicate from the first array to the second by a period. */
  hasPeriodic?: true;
}

/**
 * hpe.conf for a simulated pair: backend DEFAULT replicates from the first array to the second, backend `plain` uses the
 * first one alone.
 */
export function hpeConf(pair: ReadyPair, with_: ConfOptions): string {
  const [a, b] = [arrayOf(pair, 'primary'), arrayOf(pair, 'secondary')];
  const array = (of: SimulatedArray): string[] => [
    `hpe3par_api_url = ${of.apiUrl}`,
    `hpe3par_username = ${of.user}`,
    `hpe3par_password = ${of.password}`,
    `hpe3par_ca_file = ${of.caFile}`,
    `hpe3par_cpg = ${of.cpgs[0] ?? ''}`,
    `hpe3par_snapcpg = ${of.cpgs[1] ?? ''}`,
    `hpe3par_iscsi_ips = ${of.iscsiPortals.join(',')}`,
    ...(with_.chap === true ? ['hpe3par_iscsi_chap_enabled = true'] : []),
    `san_ip = ${of.sshHost}`,
    `san_ssh_port = ${of.sshPort}`,
    `san_login = ${of.user}`,
    `san_password = ${of.password}`,
  ];
  const common = [
    `hpedockerplugin_driver = hpedockerplugin.hpe.${with_.protocol === 'fc' ? FC_DRIVER : ISCSI_DRIVER}`,
    ...(with_.fabricDir === undefined ? [] : [`loopback_fabric = ${with_.fabricDir}`]),
  ];
  // The first of each are those of hpe3par_cpg, the second those of hpe3par_snapcpg.
  const cpgPairs = a.cpgs.flatMap((cpg, at) => (b.cpgs[at] === undefined ? [] : [`${cpg}:${b.cpgs[at]}`])).join(' ');
  const replicationOf = (mode: ReplicationMode): string[] => [
    `backend_id:${a.targetName}`,
    `replication_mode:${mode}`,
    ...(mode === 'asynchronous' ? ['sync_period:86400'] : []),
    ...(with_.witness === undefined ? [] : [`quorum_witness_ip:${with_.witness}`]),
    `cpg_map:${cpgPairs}`,
    `snap_cpg_map:${cpgPairs}`,
    `hpe3par_api_url:${b.apiUrl}`,
    `hpe3par_username:${b.user}`,
    `hpe3par_password:${b.password}`,
    `hpe3par_ca_file:${b.caFile}`,
    `hpe3par_iscsi_ips:${b.iscsiPortals.join(';')}`,
    ...(with_.chap === true ? ['hpe3par_iscsi_chap_enabled:true'] : []),
    `san_ip:${b.sshHost}`,
    `san_ssh_port:${b.sshPort}`,
    `san_login:${b.user}`,
    `san_password:${b.password}`,
  ];
  const deviceOf = (mode: ReplicationMode): string => `replication_device = ${replicationOf(mode).join(',\n    ')}`;
  const lines = [
    '[DEFAULT]',
    'logging = INFO',
    ...(with_.more ?? []),
    ...common,
    ...array(a),
    deviceOf(with_.mode),
    '',
    '[plain]',
    ...common,
    ...array(a),
    ...(with_.hasPeriodic === true ? ['', '[periodic]', ...common, ...array(a), deviceOf('asynchronous')] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** The simulator's control interface. */
export interface PairControl {
  state(): Promise<string>;
  log(): Promise<LogEntry[]>;
  clearLog(): Promise<void>;
  power(array: string, on: boolean): Promise<void>;
  link(up: boolean): Promise<void>;
  /** The quorum witness. */
  witness(up: boolean): Promise<void>;
  /** The cable of a host port, `N:S:P`. */
  port(array: string, port: string, up: boolean): Promise<void>;
  latency(ms: number): Promise<void>;
  fault(fault: FaultSpec): Promise<void>;
  /** Faults that have not struck yet. */
  faults(): Promise<unknown[]>;
  clearFaults(): Promise<void>;
  /** Seconds that physical copies take from now on. */
  copyTime(seconds: number): Promise<void>;
  /** While held no physical copy ends. */
  holdCopies(hold: boolean): Promise<void>;
  /** Moves an array's clock forward. */
  clock(array: string, hours: number): Promise<void>;
  /** One sync of a periodic group. */
  sync(group: string): Promise<void>;
  /** Members stay `Syncing` while held. */
  holdSync(hold: boolean): Promise<void>;
}

export function controlOf(pair: ReadyPair): PairControl {
  const call = async (method: string, path: string, body?: unknown): Promise<string> => {
    const answer = await fetch(`${pair.controlUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text;
  };
  const post = async (path: string, body: unknown): Promise<void> => void (await call('POST', path, body));
  return {
    state: async () => call('GET', '/state'),
    log: async () => JSON.parse(await call('GET', '/log')) as LogEntry[],
    clearLog: async () => void (await call('DELETE', '/log')),
    power: async (array, on) => post('/power', { array, on }),
    link: async (up) => post('/link', { up }),
    witness: async (up) => post('/witness', { up }),
    port: async (array, port, up) => post('/port', { array, port, up }),
    latency: async (ms) => post('/latency', { ms }),
    fault: async (fault) => post('/faults', fault),
    faults: async () => JSON.parse(await call('GET', '/faults')) as unknown[],
    clearFaults: async () => void (await call('DELETE', '/faults')),
    copyTime: async (seconds) => post('/copy-time', { seconds }),
    holdCopies: async (hold) => post('/copy-hold', { hold }),
    clock: async (array, hours) => post('/clock', { array, hours }),
    sync: async (group) => post('/sync', { group }),
    holdSync: async (hold) => post('/sync-hold', { hold }),
  };
}

/** Types a command on an array over SSH, as an operator does; @throws what the array prints for a refusal */
export async function operator(array: SimulatedArray, command: string): Promise<string> {
  const client = new Client();
  try {
    return await new Promise<string>((resolve, reject) => {
      client.on('error', reject);
      client.on('ready', () => {
        client.exec(command, (error, channel) => {
          if (error !== undefined) return reject(error);
          let output = '';
          channel.on('data', (data: Buffer) => (output += data.toString()));
          channel.stderr.on('data', (data: Buffer) => (output += data.toString()));
          channel.on('close', (code: number | undefined) => {
            if (code === 0) resolve(output.trim());
            else reject(new Error(`${array.name}: ${command}: ${output.trim()} (exit ${code})`));
          });
          return undefined;
        });
      });
      client.connect({
        host: array.sshHost,
        port: array.sshPort,
        username: array.user,
        password: array.password,
        readyTimeout: 10_000,
        hostVerifier: () => true,
      });
    });
  } finally {
    client.end();
  }
}
