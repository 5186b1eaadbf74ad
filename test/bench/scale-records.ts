import { Etcd3, type IRequestOp } from 'etcd3';
import { createHash, randomUUID } from 'node:crypto';
import type { RecordKind, Records } from '../../src/contracts/store.js';
import type { Attachment } from '../../src/domain/attachment.js';
import type { Group } from '../../src/domain/replication.js';
import type { Volume } from '../../src/domain/volume.js';
import { encodeRecord } from '../../src/store/records.js';

const PREFIX = '/hpe-volume-plugin/v1/';
const NODES = 40;
const MEMBERS = 50;
/** etcd takes 128 in one transaction. */
const PUTS = 100;
const AT_ONCE = 8;

/** Every second one is replicated, every fifth mounted somewhere. */
export const nameOf = (at: number): string => `app${at % 97}-data-${String(at).padStart(6, '0')}`;

/** Puts so many volumes into an empty etcd, with their groups and attachments, as the plugin would have left them. */
export async function fillEtcd(host: string, volumes: number): Promise<void> {
  const etcd = new Etcd3({ hosts: [host] });
  try {
    const puts = recordsOf(volumes);
    const lane = async (): Promise<void> => {
      for (let part = take(puts); part.length > 0; part = take(puts))
        await etcd.kv.txn({ compare: [], success: part, failure: [] });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    const last = put('root', randomUUID());
    await etcd.kv.txn({ compare: [], success: [last], failure: [] });
  } finally {
    etcd.close();
  }
}

function take(puts: Iterator<IRequestOp, undefined>): IRequestOp[] {
  const part: IRequestOp[] = [];
  while (part.length < PUTS) {
    const next = puts.next();
    if (next.done === true) break;
    part.push(next.value);
  }
  return part;
}

function* recordsOf(volumes: number): Generator<IRequestOp, undefined> {
  for (let at = 0; at < volumes; at += 1) {
    const volume = volumeAt(at);
    yield record('volume', volume.name, volume);
    if (at % 5 === 0) yield record('attachment', volume.name, attachmentOf(volume, at));
    const name = volume.spec.replicationGroup;
    if (name !== undefined && Math.floor(at / 2) % MEMBERS === 0)
      yield record('group', `DEFAULT/${name}`, groupOf(name));
  }
  return undefined;
}

function volumeAt(at: number): Volume {
  const digest = createHash('sha256').update(String(at)).digest();
  const group = at % 2 === 0 ? undefined : `RCG${Math.floor(at / 2 / MEMBERS)}`;
  const wwn = (digit: string): string => `60002ac${digit}${digest.toString('hex').slice(0, 24)}`;
  const filesystem = { state: 'formatted', type: 'ext4', uuid: uuidOf(digest, 0) } as const;
  return {
    name: nameOf(at),
    id: uuidOf(digest, 8),
    spec: {
      sizeGiB: [10, 50, 100, 500][at % 4] ?? 10,
      provisioning: 'thin',
      compression: false,
      fsType: 'ext4',
      backend: 'DEFAULT',
      mountConflictDelay: 30,
      ...(group === undefined ? {} : { replicationGroup: group }),
    },
    arrayName: `dcv-${digest.toString('base64url').slice(0, 22)}`,
    cpg: { primary: 'SSD_r6', ...(group === undefined ? {} : { secondary: 'SSD_r6' }) },
    snapCpg: { primary: 'SSD_r6', ...(group === undefined ? {} : { secondary: 'SSD_r6' }) },
    wwn: { primary: wwn('0'), ...(group === undefined ? {} : { secondary: wwn('1') }) },
    state: 'ready',
    filesystem,
    everMounted: true,
    generation: 1 + (at % 30),
    createdAt: new Date(Date.UTC(2026, 0, 1) + at * 60_000).toISOString(),
  };
}

function attachmentOf({ name, spec, wwn, generation = 1 }: Volume, at: number): Attachment {
  const node = at % NODES;
  const digest = createHash('sha256').update(`node${node}`).digest();
  return {
    volume: name,
    ...(spec.replicationGroup === undefined ? {} : { group: `DEFAULT/${spec.replicationGroup}` }),
    node: uuidOf(digest, 0),
    nodeName: `docker${String(node).padStart(2, '0')}.site.example`,
    generation,
    side: 'primary',
    host: `docker${String(node).padStart(2, '0')}`,
    state: 'attached',
    mountpoint: `/var/lib/hpe-volume-plugin/volumes/${name}`,
    device: {
      path: `/dev/mapper/3${wwn.primary ?? ''}`,
      wwn: wwn.primary ?? '',
      sizeBytes: spec.sizeGiB * 1024 ** 3,
    },
  };
}

const groupOf = (name: string): Group => ({
  backend: 'DEFAULT',
  name,
  remoteName: `${name}.r4711`,
  createdByUs: true,
  isMade: true,
  lastActive: 'primary',
  epoch: 1,
});

function uuidOf(digest: Buffer, from: number): string {
  const hex = digest.subarray(from, from + 16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

const record = <K extends RecordKind>(kind: K, key: string, value: Records[K]): IRequestOp =>
  put(`${kind}/${key}`, encodeRecord(kind, key, value));

const put = (key: string, value: string): IRequestOp => ({
  request_put: { key: Buffer.from(`${PREFIX}${key}`), value: Buffer.from(value) },
});
