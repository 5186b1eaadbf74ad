import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import type { Config, EtcdConfig } from '../config/config.js';
import type { StoredRecord } from '../contracts/archive.js';
import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import type { MetadataStore, Passphrases } from '../contracts/store.js';
import { examineEtcd } from '../doctor/etcd.js';
import { about, type Finding } from '../doctor/finding.js';
import { metadataOf, type Metadata } from '../doctor/records.js';
import { PIN_UNKNOWN } from '../doctor/silence.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { parseBackup } from '../store/backup-file.js';
import { EtcdClient } from '../store/etcd-client.js';
import { endpointsOf, openStore, readTls } from './build.js';
import { ask } from './daemon-client.js';

const TIMEOUT_MS = 20_000;
const IDENTITY_FILE = 'metadata-identity.json';

/** What could be learnt of the metadata, without a change to them. */
export interface MetadataLook {
  findings: Finding[];
  /** Undefined: they cannot be read. */
  metadata: Metadata | undefined;
  passphrases: Passphrases | undefined;
  /** The same once more, of now; what is known already where they cannot be read any more. */
  again(): Promise<Metadata>;
  close(): Promise<void>;
}

/** Asks the daemon first, which alone may have them open. */
export async function lookAtMetadata(config: Config, stateDir: string, logger: Logger): Promise<MetadataLook> {
  const { etcd } = config;
  const asked = await askDaemon(stateDir);
  const findings = etcd === undefined ? [LOCAL] : await examineMembers(etcd);
  if (!asked.isRunning) findings.push(DAEMON_DOWN);
  if (etcd === undefined) {
    const read = async (): Promise<Read> => (asked.isRunning ? askDaemon(stateDir) : readEmbedded(stateDir, logger));
    const first = asked.isRunning ? asked : await read();
    return { ...toLook({ first, read }, findings), passphrases: undefined, close: async () => Promise.resolve() };
  }
  const { store, close } = await openEtcd(etcd, stateDir, logger);
  const read = async (): Promise<Read> =>
    asked.isRunning || store === undefined ? askDaemon(stateDir) : readEtcd(store, stateDir);
  const first = asked.isRunning || store === undefined ? asked : await read();
  return { ...toLook({ first, read }, findings), passphrases: store?.archive.passphrases, close };
}

const LOCAL = about('metadata')(
  'metadata-local',
  'hpe.conf has no host_etcd_ip_address: the metadata are on this host alone, so no other host may use these volumes',
  'set host_etcd_ip_address where several hosts share the arrays',
);
const DAEMON_DOWN = about('this host')(
  'daemon-down',
  'no daemon runs with this state directory',
  'systemctl start hpe-volume-plugin, or docker plugin enable hpe; or name its directory with --state-dir',
);

/** Records, or why there are none. */
interface Read {
  records?: StoredRecord[];
  finding?: Finding;
}

function toLook(
  { first, read }: { first: Read; read: () => Promise<Read> },
  findings: Finding[],
): Pick<MetadataLook, 'findings' | 'metadata' | 'again'> {
  const { records, finding } = first;
  const isTold = findings.some(({ id }) => id === 'etcd-unreachable' || id === 'etcd-tls');
  const all = finding === undefined || isTold ? findings : [...findings, finding];
  const metadata = records === undefined ? undefined : metadataOf(records);
  return { findings: all, metadata, again: async () => metadataOf((await read()).records ?? records ?? []) };
}

const unreadable = (thrown: unknown): Finding => {
  const { message, next } = asDriverError(thrown);
  const id = message.includes('not the one known to this node') ? 'etcd-stranger' : 'metadata-unreadable';
  return about('metadata')(id, message, next ?? 'see the log of the daemon');
};

async function askDaemon(stateDir: string): Promise<Read & { isRunning: boolean }> {
  try {
    const answer = await ask(stateDir, { at: '/backup', body: {}, timeoutMs: TIMEOUT_MS });
    if (answer === undefined) return { isRunning: false };
    const { text } = z.object({ text: z.string() }).parse(answer.result);
    return { isRunning: true, records: parseBackup(text).records };
  } catch (thrown) {
    return { isRunning: true, finding: unreadable(thrown) };
  }
}

async function examineMembers(etcd: EtcdConfig): Promise<Finding[]> {
  const clients: EtcdClient[] = [];
  try {
    const tls = etcd.tls === undefined ? undefined : readTls(etcd.tls);
    const members = endpointsOf(etcd).map((host) => {
      const client = new EtcdClient([host], tls);
      clients.push(client);
      return { host, ping: async () => void (await client.range({ key: Buffer.from('health') })) };
    });
    return await examineEtcd(members, tls !== undefined);
  } catch (thrown) {
    const { message, next } = asDriverError(thrown);
    return [about('etcd')('etcd-tls', message, next ?? 'correct the files that hpe.conf names')];
  } finally {
    for (const client of clients) client.close();
  }
}

async function readEmbedded(stateDir: string, logger: Logger): Promise<Read> {
  // Opening would make it.
  if (!existsSync(path.join(stateDir, 'metadata'))) return { records: [] };
  try {
    const store = await openStore(undefined, { stateDir, node: DOCTOR, logger });
    try {
      return { records: (await store.archive.dump(AbortSignal.timeout(TIMEOUT_MS))).records };
    } finally {
      await store.close();
    }
  } catch (thrown) {
    return { finding: unreadable(thrown) };
  }
}

const DOCTOR = { id: 'doctor', name: 'doctor' };

/** A node that knows no metadata yet must not get to know these by being looked at. */
async function openEtcd(etcd: EtcdConfig, stateDir: string, logger: Logger) {
  const isKnown = existsSync(path.join(stateDir, IDENTITY_FILE));
  const folder = isKnown ? stateDir : await mkdtemp(path.join(tmpdir(), 'hpe-doctor-'));
  const store = await openStore(etcd, { stateDir: folder, node: DOCTOR, logger }).catch(() => undefined);
  const close = async (): Promise<void> => {
    await store?.close();
    if (!isKnown) await rm(folder, { recursive: true, force: true });
  };
  return { store, close };
}

async function readEtcd(store: MetadataStore, stateDir: string): Promise<Read> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    if (!(await store.archive.isGone(signal))) return { records: (await store.archive.dump(signal)).records };
  } catch (thrown) {
    return { finding: unreadable(thrown) };
  }
  if (!existsSync(path.join(stateDir, IDENTITY_FILE))) {
    const seen = 'it holds no metadata of this plugin yet; the first daemon that starts makes them';
    return {
      records: [],
      finding: about('etcd')(
        'etcd-new',
        seen,
        'nothing to mend, unless there were some: then check host_etcd_ip_address',
      ),
    };
  }
  return {
    finding: about('etcd')(
      'etcd-stranger',
      'this node knew metadata, and this etcd has none: it was wiped, or is a new one, or a restore was not finished',
      'check host_etcd_ip_address in hpe.conf; if they are lost: hpe-volume-plugin restore FILE, or hpe-volume-plugin rebuild',
    ),
  };
}

/** What was trusted at first contact; what would be is only told. */
export class KnownPins implements PinStore {
  readonly #known: Map<string, string> | undefined;
  readonly #met = new Map<string, string>();

  constructor(metadata: Metadata | undefined) {
    this.#known = metadata && new Map(metadata.pin.map(({ peer, fingerprint }) => [peer, fingerprint]));
  }

  async find(peer: string): Promise<string | undefined> {
    if (this.#known === undefined)
      throw new DriverError('unavailable', `${peer}: ${PIN_UNKNOWN}, since the metadata cannot be read`, {
        next: 'bring the metadata back first (what is told of them and of etcd), then repeat the command',
      });
    return Promise.resolve(this.#known.get(peer) ?? this.#met.get(peer));
  }

  async save(peer: string, fingerprint: string): Promise<void> {
    this.#met.set(peer, fingerprint);
    return Promise.resolve();
  }

  /** One for each that was met for the first time. */
  findings(): Finding[] {
    return [...this.#met].map(([peer, fingerprint]) => {
      const [kind, ...place] = peer.split(':');
      const find = about(place.join(':'));
      if (kind !== 'ssh') {
        return find(
          'array-certificate-first-contact',
          `nothing proves its certificate (SHA-256 ${fingerprint}); the daemon will trust it from its first contact on`,
          `compare it with showcert on the array, then set hpe3par_fingerprint = ${fingerprint}`,
        );
      }
      const port = place.at(-1) ?? '22';
      const host = place.slice(0, -1).join(':');
      return find(
        'ssh-host-key-first-contact',
        `nothing proves its SSH host key (${fingerprint}); the daemon will trust it from its first contact on`,
        `compare it with the array's own, then: ssh-keyscan -p ${port} ${host} >> FILE, and set ssh_hosts_key_file = FILE`,
      );
    });
  }
}
