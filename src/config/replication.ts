import type { ReplicationMode } from '../domain/replication.js';
import { readArray } from './array.js';
import type { ArrayConfig, ReplicationConfig } from './model.js';
import { waysToGive } from './password.js';
import type { Report } from './problem.js';
import { readReplicationDevice } from './replication-device.js';
import type { Entry } from './scan.js';
import { Settings, type Setting } from './settings.js';
import { cpgPairs, host, name, oneOf, wholeNumber } from './values.js';

const MODES = ['synchronous', 'asynchronous', 'streaming'] as const;
const DEFAULT_SYNC_PERIOD_SECONDS = 900;

/** Copied from the section when replication_device has none, with a warning, as the old plugin did. */
const CREDENTIALS = ['hpe3par_username', 'hpe3par_password', 'san_login', 'san_password'];
/** Copied in silence: they say how to behave, not which array it is. Addresses and certificates are never copied. */
const POLICIES = [
  'san_ssh_port',
  'ssh_conn_timeout',
  'san_private_key',
  'password_key_file',
  'hpe3par_tls_verify',
  'strict_ssh_host_key_policy',
  'ssh_hosts_key_file',
  'hpe3par_iscsi_chap_enabled',
];

/** What the section says about itself, as far as it could be read. */
export interface PrimarySide {
  protocol: 'iscsi' | 'fc' | undefined;
  array: Omit<ArrayConfig, 'cpg' | 'cpgs' | 'snapCpg'> | undefined;
  cpg: string | undefined;
  snapCpg: string | undefined;
}

interface Replicated {
  secondary: ArrayConfig;
  replication: Omit<ReplicationConfig, 'secondaryWwn' | 'replicationStrict' | 'removeEmptyGroup'>;
}

/** The secondary array and how volumes are replicated to it. Undefined when something is wrong, which is reported. */
export function readReplication(
  section: Settings,
  { device, primary, report }: { device: Entry; primary: PrimarySide; report: Report },
): Replicated | undefined {
  const items = readReplicationDevice(device, report);
  const place = { section: section.place.section, line: device.line, sub: true };
  const own = new Settings(place, [items], report);
  const array = readArray(new Settings(place, [items, inherited(section, own)], report), primary.protocol);
  const mode = own.require('replication_mode', oneOf(MODES));
  const target = own.require('backend_id', name);
  const syncPeriodSeconds = mode === undefined ? undefined : readSyncPeriod(own, mode);
  const maps = readMaps(own, primary);
  const quorumWitnessIp = readWitness(own, mode);
  if (array !== undefined && primary.array !== undefined) refuseSameArray(own, primary.array, array);
  if (array === undefined || mode === undefined || target === undefined || maps === undefined) return undefined;
  const { cpgMap, snapCpgMap, ...cpgs } = maps;
  return {
    secondary: { ...array, ...cpgs },
    replication: {
      target,
      mode,
      ...(syncPeriodSeconds === undefined ? {} : { syncPeriodSeconds }),
      ...(quorumWitnessIp === undefined ? {} : { quorumWitnessIp }),
      cpgMap,
      snapCpgMap,
    },
  };
}

function inherited(section: Settings, own: Settings): Map<string, Setting> {
  const layer = new Map<string, Setting>();
  for (const key of [...CREDENTIALS, ...POLICIES]) {
    const [setting] = section.nearest(waysToGive(key));
    if (setting === undefined || own.nearest(waysToGive(key)).length > 0) continue;
    layer.set(setting.key, setting);
    if (CREDENTIALS.includes(key)) {
      const what = 'is missing, so that of the primary array is used';
      own.complain('warn', key, { what, fix: `add ${key}:… for the secondary array` });
    }
  }
  return layer;
}

function readSyncPeriod(own: Settings, mode: ReplicationMode): number | undefined {
  const period = own.read('sync_period', wholeNumber(300, 31_622_400, 'seconds'));
  if (mode === 'asynchronous') return period ?? DEFAULT_SYNC_PERIOD_SECONDS;
  if (own.find('sync_period') === undefined) return undefined;
  const what = `has no meaning with replication_mode ${mode}`;
  own.complain(mode === 'streaming' ? 'warn' : 'error', 'sync_period', {
    what: mode === 'streaming' ? `${what}, and is ignored` : what,
    fix: 'remove it, or write replication_mode:asynchronous',
  });
  return undefined;
}

type Maps = Pick<ReplicationConfig, 'cpgMap' | 'snapCpgMap'> & Pick<ArrayConfig, 'cpg' | 'cpgs' | 'snapCpg'>;

function readMaps(own: Settings, primary: PrimarySide): Maps | undefined {
  const cpgMap = own.require('cpg_map', cpgPairs);
  const cpg = cpgMap && mapped(own, 'cpg_map', { map: cpgMap, source: primary.cpg });
  if (own.find('snap_cpg_map') === undefined) {
    const line = `snap_cpg_map:${primary.snapCpg ?? 'SOURCE_CPG'}:${cpg ?? 'TARGET_CPG'},`;
    own.missing('snap_cpg_map', `add the line "${line}", with the CPG for snapshots on each array`);
  }
  const snapCpgMap = own.read('snap_cpg_map', cpgPairs);
  const snapCpg = snapCpgMap && mapped(own, 'snap_cpg_map', { map: snapCpgMap, source: primary.snapCpg });
  if (cpgMap === undefined || snapCpgMap === undefined || cpg === undefined || snapCpg === undefined) return undefined;
  return { cpgMap, snapCpgMap, cpg, cpgs: [...new Set(cpgMap.values())], snapCpg };
}

/** The CPG on the other array; the old plugin read the targets only, and took the first. */
function mapped(
  own: Settings,
  key: string,
  { map, source }: { map: Map<string, string>; source: string | undefined },
): string | undefined {
  const direct = source === undefined ? undefined : map.get(source);
  if (direct !== undefined) return direct;
  const first = map.values().next().value;
  if (source !== undefined && first !== undefined) {
    const what = `has no pair for ${source}, where volumes are made on the primary array; ${first} is used`;
    own.complain('warn', key, { what, fix: `add ${source}:TARGET_CPG` });
  }
  return first;
}

/** Peer persistence is for synchronous groups only (reference 6.4). */
function readWitness(own: Settings, mode: ReplicationMode | undefined): string | undefined {
  const witness = own.read('quorum_witness_ip', host);
  if (own.find('quorum_witness_ip') === undefined || mode === undefined || mode === 'synchronous') return witness;
  own.complain('error', 'quorum_witness_ip', {
    what: `peer persistence is not possible with replication_mode ${mode}`,
    fix: 'write replication_mode:synchronous, or remove quorum_witness_ip; the volumes are then replicated without automatic failover',
  });
  return undefined;
}

function refuseSameArray(
  own: Settings,
  primary: Pick<ArrayConfig, 'apiUrl' | 'sanIp' | 'sanPort'>,
  secondary: Pick<ArrayConfig, 'apiUrl' | 'sanIp' | 'sanPort'>,
): void {
  const what = 'is the address of the primary array';
  const fix = 'write the address of the secondary array';
  if (secondary.apiUrl === primary.apiUrl) own.complain('error', 'hpe3par_api_url', { what, fix });
  if (secondary.sanIp === primary.sanIp && secondary.sanPort === primary.sanPort) {
    own.complain('error', 'san_ip', { what, fix });
  }
}
