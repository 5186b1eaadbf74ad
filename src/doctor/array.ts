import type { ArrayConfig, BackendConfig } from '../config/config.js';
import type { ArrayClient, ArrayFeatures, Initiators, Target } from '../contracts/array.js';
import { compareVersions } from '../domain/array-needs.js';
import { asDriverError } from '../domain/errors.js';
import type { Side } from '../domain/replication.js';
import { about, type Finding } from './finding.js';
import { sshSilence, wsapiSilence } from './silence.js';

/** What of an array is looked at: `Examination` of array/examination. */
export interface ExaminedArray {
  client: ArrayClient;
  ports(protocol: 'iscsi' | 'fc', signal: AbortSignal): Promise<Target[]>;
  copyTargets(signal: AbortSignal): Promise<{ name: string; systemId?: number }[]>;
  commandLine(signal: AbortSignal): Promise<string>;
  clockAheadMs(): number | undefined;
}

export interface ArrayQuestion {
  backend: BackendConfig;
  side: Side;
  array: ExaminedArray;
  /** Of this host; absent: not known, or of no use, as on a simulated fabric. */
  initiators: Initiators | undefined;
  /** WWPNs of the target ports that this host's HBAs see. */
  seenPorts: readonly string[];
  /** Whether a TCP connection to a portal can be made from here. */
  reaches(portal: { host: string; port: number }): Promise<boolean>;
}

/** The first release with WSAPI as we need it, and the first with remote copy in it (reference 1.3). */
const OLDEST = '3.1.3.230';
const OLDEST_WITH_REMOTE_COPY = '3.2.2.290';
/** Arrays tell whole seconds, and an answer takes its time. */
const CLOCK_LIMIT_MS = 60_000;

/** Everything that is wrong with one array of a backend, as far as it answers. */
export async function examine(question: ArrayQuestion, signal: AbortSignal): Promise<Finding[]> {
  const { backend, side, array } = question;
  const label = labelOf(backend, side);
  const find = about(label);
  // The array client names it, too.
  const short = (seen: string): string => seen.replace(`${label} (`, '(');
  const [overWsapi, overSsh] = await Promise.all([
    examineWsapi(question, signal).catch((thrown: unknown) => {
      const { id, seen, fix } = wsapiSilence(thrown);
      return [find(id, short(seen), fix)];
    }),
    array.commandLine(signal).then(
      () => [],
      (thrown: unknown) => {
        const { id, seen, fix } = sshSilence(thrown);
        return [find(id, short(seen), `${fix} (schedules of snapshots need it, nothing else)`)];
      },
    ),
  ]);
  return [...judgeTrust(question), ...overWsapi, ...overSsh];
}

export const labelOf = (backend: BackendConfig, side: Side): string => `${side} array of backend ${backend.name}`;

const configOf = ({ backend, side }: ArrayQuestion): ArrayConfig =>
  side === 'secondary' && backend.secondary !== undefined ? backend.secondary : backend.primary;

function judgeTrust(question: ArrayQuestion): Finding[] {
  if (configOf(question).tlsVerify) return [];
  return [
    about(labelOf(question.backend, question.side))(
      'array-certificate-unchecked',
      'hpe3par_tls_verify = false: whoever answers at its address gets the password',
      'remove hpe3par_tls_verify, and name the certificate: hpe3par_fingerprint or hpe3par_ca_file',
    ),
  ];
}

/** @throws when the array does not answer; it is asked nothing more then */
async function examineWsapi(question: ArrayQuestion, signal: AbortSignal): Promise<Finding[]> {
  const features = await question.array.client.features(signal);
  const findings = [...judgeFeatures(question, features), ...judgeClock(question)];
  const [cpgs, ports, hosts] = await Promise.all([
    examineCpgs(question, signal),
    examinePorts(question, signal),
    examineHosts(question, signal),
  ]);
  return [...findings, ...cpgs, ...ports, ...hosts];
}

function judgeFeatures({ backend, side }: ArrayQuestion, { osVersion, licences }: ArrayFeatures): Finding[] {
  const find = about(labelOf(backend, side));
  const oldest = backend.replication === undefined ? OLDEST : OLDEST_WITH_REMOTE_COPY;
  const findings: Finding[] = [];
  if (compareVersions(osVersion, oldest) < 0) {
    const what = backend.replication === undefined ? 'the web service' : 'remote copy over the web service';
    findings.push(
      find(
        'array-version',
        `it runs ${osVersion}, and ${what} needs ${oldest}`,
        'update the array, or use another one',
      ),
    );
  }
  const has = (name: string): boolean =>
    licences === undefined || licences.some((each) => each.includes(name) || each.includes('Golden License'));
  const needed = ['Thin Provisioning', ...(backend.replication === undefined ? [] : ['Remote Copy'])];
  for (const name of needed.filter((each) => !has(each))) {
    findings.push(
      find('array-licence', `it has no licence for ${name}`, 'install the licence: setlicense; see: showlicense'),
    );
  }
  if (!has('Virtual Copy')) {
    findings.push(
      find(
        'array-licence-snapshots',
        'it has no licence for Virtual Copy, so it makes no snapshots',
        'setlicense; see: showlicense',
      ),
    );
  }
  return findings;
}

function judgeClock({ backend, side, array }: ArrayQuestion): Finding[] {
  const aheadMs = array.clockAheadMs() ?? 0;
  if (Math.abs(aheadMs) <= CLOCK_LIMIT_MS) return [];
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return [
    about(labelOf(backend, side))(
      'array-clock',
      `its clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this host's, so the ages of syncs and the ends of snapshots are off by as much`,
      'see both (date; showdate on the array), and give both the same time servers: setnet ntp SERVER',
    ),
  ];
}

async function examineCpgs(question: ArrayQuestion, signal: AbortSignal): Promise<Finding[]> {
  const { backend, side, array } = question;
  const find = about(labelOf(backend, side));
  const keys = cpgsOf(question);
  const seen = await Promise.all(
    [...keys].map(async ([name, key]) => ({ name, key, cpg: await array.client.findCpg(name, signal) })),
  );
  const missing = seen
    .filter(({ cpg }) => cpg === undefined)
    .map(({ name, key }) =>
      find('array-cpg', `it has no CPG ${name}, which ${key} names`, `correct ${key} in hpe.conf; see: showcpg`),
    );
  const { cpg, snapCpg } = configOf(question);
  const [main, snap] = [cpg, snapCpg].map((name) => seen.find((each) => each.name === name)?.cpg);
  if (main === undefined || snap === undefined || main.domain === snap.domain) return missing;
  const words = [main, snap].map((each) => `${each.name} is in ${each.domain ?? 'no domain'}`).join(', ');
  return [
    ...missing,
    find(
      'array-cpg-domain',
      `the CPGs of volumes and snapshots are in different domains: ${words}`,
      'name CPGs of one domain; see: showcpg -d',
    ),
  ];
}

/** CPG → the key of hpe.conf that names it. */
function cpgsOf(question: ArrayQuestion): Map<string, string> {
  const { backend, side } = question;
  const { cpgs, snapCpg } = configOf(question);
  const { cpgMap, snapCpgMap } = backend.replication ?? {};
  const mapped = (map: Map<string, string> | undefined, key: string): [string, string][] =>
    [...(map ?? [])].map(([own, peer]) => [side === 'primary' ? own : peer, key]);
  const own = new Map([...mapped(snapCpgMap, 'snap_cpg_map'), ...mapped(cpgMap, 'cpg_map')]);
  if (side === 'secondary') return own;
  own.set(snapCpg, 'hpe3par_snapcpg');
  for (const name of cpgs) own.set(name, 'hpe3par_cpg');
  return own;
}

async function examinePorts(question: ArrayQuestion, signal: AbortSignal): Promise<Finding[]> {
  const { backend, side, array } = question;
  const find = about(labelOf(backend, side));
  const ready = await array.ports(backend.protocol, signal);
  if (ready.length === 0) {
    const kind = backend.protocol === 'fc' ? 'Fibre Channel' : 'iSCSI';
    return [find('array-ports', `it has no ready ${kind} port for hosts`, 'see: showport, showport -iscsi')];
  }
  return backend.protocol === 'fc' ? judgeZones(question, ready) : judgePortals(question, ready);
}

function judgeZones({ backend, side, seenPorts }: ArrayQuestion, ready: Target[]): Finding[] {
  if (backend.loopbackFabric !== undefined || ready.some(({ name }) => seenPorts.includes(name))) return [];
  return [
    about(labelOf(backend, side))(
      'fc-not-zoned',
      `no HBA of this host sees any of its ports (${ready.map(({ name }) => name).join(', ')})`,
      'zone this host to them (grep . /sys/class/fc_host/*/port_name; showport), and look at cables and switch',
    ),
  ];
}

async function judgePortals(question: ArrayQuestion, ready: Target[]): Promise<Finding[]> {
  const { backend, side } = question;
  const find = about(labelOf(backend, side));
  const listed = configOf(question).iscsiIps;
  const isReady = (host: string): boolean => ready.some(({ portal }) => portal?.host === host.toLowerCase());
  const findings = listed
    .filter(({ host }) => !isReady(host))
    .map(({ host }) =>
      find(
        'array-portal',
        `${host} of hpe3par_iscsi_ips is no ready iSCSI port of it, so no path leads through it`,
        'compare with: showport -iscsi',
      ),
    );
  // The simulated fabric has no network.
  if (backend.loopbackFabric !== undefined) return findings;
  const usable = listed.filter(({ host }) => isReady(host));
  const reached = await Promise.all(usable.map(async (portal) => question.reaches(portal)));
  const silent = usable.filter((_portal, at) => reached[at] === false);
  return [
    ...findings,
    ...silent.map(({ host, port }) =>
      find(
        'portal-unreachable',
        `this host gets no connection to its portal ${host}:${port}`,
        `ping ${host}; see the network between this host and the array, and: showport -iscsi`,
      ),
    ),
  ];
}

async function examineHosts(question: ArrayQuestion, signal: AbortSignal): Promise<Finding[]> {
  const { backend, side, array, initiators } = question;
  if (initiators === undefined) return [];
  try {
    await array.client.findHost(initiators, signal);
    return [];
  } catch (thrown) {
    const { code, message, next } = asDriverError(thrown);
    if (code !== 'refused') throw thrown;
    return [about(labelOf(backend, side))('array-host-entries', message, next ?? 'see: showhost -d')];
  }
}
