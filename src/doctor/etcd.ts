import { isIP } from 'node:net';
import { asDriverError } from '../domain/errors.js';
import { about, type Finding } from './finding.js';

/** One member of the etcd that hpe.conf names. */
export interface Member {
  /** `address:port` */
  host: string;
  /** One read. @throws DriverError */
  ping(): Promise<void>;
}

const PINGS = 5;
/** Every Mount makes about ten transactions, one after the other. */
const SLOW_MS = 100;

/** What is wrong with etcd's members. */
export async function examineEtcd(members: readonly Member[], usesTls: boolean): Promise<Finding[]> {
  const find = about('etcd');
  const seen = await Promise.all(members.map(async (member) => measure(member)));
  const failed = seen.filter((each) => each.failure !== undefined);
  const findings: Finding[] = [];
  const [first] = failed;
  if (first?.failure !== undefined && failed.length === seen.length) {
    const { message, next } = first.failure;
    const isTls = /certificate|TLS/.test(`${message} ${next ?? ''}`) && !/it may want TLS/.test(next ?? '');
    return [find(isTls ? 'etcd-tls' : 'etcd-unreachable', message, next ?? 'etcdctl endpoint health')];
  }
  for (const { host, failure } of failed) {
    if (failure === undefined) continue;
    findings.push(find('etcd-member', failure.message, failure.next ?? `etcdctl --endpoints=${host} endpoint health`));
  }
  for (const { host, ms } of seen) {
    if (ms === undefined || ms <= SLOW_MS) continue;
    findings.push(
      find(
        'etcd-slow',
        `${host} takes ${Math.round(ms)} ms for one read (the median of ${PINGS}), and a Mount makes about ten calls`,
        `etcdctl --endpoints=${host} check perf; etcd wants fast disks and a near network`,
      ),
    );
  }
  const open = usesTls ? [] : members.filter(({ host }) => !isLoopback(host));
  if (open.length > 0) {
    findings.push(
      find(
        'etcd-plain',
        `${open.map(({ host }) => host).join(', ')} without TLS: whoever is on that network can change the metadata`,
        'give etcd certificates, then set host_etcd_ca_cert, host_etcd_client_cert and host_etcd_client_key',
      ),
    );
  }
  return findings;
}

async function measure(member: Member) {
  const { host } = member;
  const times: number[] = [];
  try {
    for (let count = 0; count < PINGS; count += 1) {
      const began = performance.now();
      await member.ping();
      times.push(performance.now() - began);
    }
  } catch (thrown) {
    return { host, failure: asDriverError(thrown) };
  }
  return { host, ms: times.toSorted((a, b) => a - b)[Math.floor(PINGS / 2)] };
}

function isLoopback(endpoint: string): boolean {
  const host = endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
