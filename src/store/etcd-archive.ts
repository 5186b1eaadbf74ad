import { randomUUID } from 'node:crypto';
import type { ICompare, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3';
import type { MetadataArchive, Renewal, StoredRecord } from '../contracts/archive.js';
import { DriverError } from '../domain/errors.js';
import { clusterOf } from '../domain/tag.js';
import { deleteOp, endOf, putOp, rangeOp, type GuardedEtcd } from './etcd-root.js';
import { EtcdPassphrases } from './passphrases.js';
import { encodeRecord, isRecordKind, MAX_WRITES, storedRecord } from './records.js';
import { INDEX_MARKER, INDEX_VERSION, indexChanges } from './volume-index.js';

interface Site {
  etcd: GuardedEtcd;
  /** Ends in `/`. */
  prefix: string;
  /** For people. */
  nodeName: string;
  /** All keys below a prefix, of one moment, each without it. */
  below: (prefix: string, signal: AbortSignal) => Promise<{ rest: string; value: Buffer }[]>;
}

/** What stands under the root key, under that of an unfinished renewal, and whether there is anything at all. */
interface Standing {
  root: string | undefined;
  unfinished: string | undefined;
  isEmpty: boolean;
}

/** The metadata in etcd as a whole. A renewal works without a root marker, so that nobody believes what is there before all is. */
export class EtcdArchive implements MetadataArchive {
  readonly passphrases: EtcdPassphrases;
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
    this.passphrases = new EtcdPassphrases(site.etcd.client);
  }

  async dump(signal: AbortSignal): Promise<{ root: string | undefined; records: StoredRecord[] }> {
    const { below, prefix, etcd } = this.#site;
    const records: StoredRecord[] = [];
    for (const { rest, value } of await below(prefix, signal)) {
      const slash = rest.indexOf('/');
      const kind = rest.slice(0, slash);
      if (isRecordKind(kind)) records.push(storedRecord(kind, rest.slice(slash + 1), value.toString()));
    }
    return { root: etcd.root, records };
  }

  async isGone(signal: AbortSignal): Promise<boolean> {
    const { root, unfinished, isEmpty } = await this.#look(signal);
    const { etcd, prefix } = this.#site;
    if (root !== undefined) {
      // Also goes over to the metadata that followed ours.
      await etcd.txn({ success: [rangeOp(`${prefix}root`)] }, signal);
      return false;
    }
    if (isEmpty || unfinished !== undefined) return true;
    throw new DriverError(
      'refused',
      `etcd at ${etcd.client.endpoints} has keys under ${prefix}, but no root marker: a part of the metadata is lost, and which is not known; nothing was changed`,
      {
        next: `restore etcd itself from a backup; or save what is there (etcdctl get --prefix ${prefix}), remove it (etcdctl del --prefix ${prefix}) and repeat this command`,
      },
    );
  }

  async identity(): Promise<string | undefined> {
    return this.#site.etcd.remembered();
  }

  async cluster(): Promise<string | undefined> {
    const root = await this.#site.etcd.remembered();
    return root === undefined ? undefined : clusterOf(root);
  }

  async renew({ records, copyOf }: Renewal, signal: AbortSignal): Promise<void> {
    const { etcd, prefix, nodeName } = this.#site;
    const former = await etcd.remembered();
    const fresh = followerOf(former ?? copyOf);
    const mine = JSON.stringify({ root: fresh, by: nodeName, at: new Date().toISOString() });
    await this.#begin(mine, signal);
    const puts = records.flatMap((each): IRequestOp[] => {
      const record = putOp(`${prefix}${each.put}/${each.key}`, encodeRecord(each.put, each.key, each.value));
      return [record, ...indexChanges(each).put.map((key) => putOp(prefix + key))];
    });
    for (let i = 0; i < puts.length; i += MAX_WRITES) {
      const answer = await this.#raw(this.#underMine(mine, puts.slice(i, i + MAX_WRITES)), signal);
      if (!answer.succeeded) throw overtaken();
    }
    const followed = former === undefined ? [] : [putOp(`${prefix}follows/${former}`, fresh)];
    const marks = [putOp(`${prefix}root`, fresh), putOp(`${prefix}${INDEX_MARKER}`, INDEX_VERSION)];
    const last = [...marks, ...followed, deleteOp(this.#unfinishedKey)];
    const answer = await this.#raw(this.#underMine(mine, last), signal);
    // The answer of a first attempt may have been lost.
    if (!answer.succeeded && (await this.#look(signal)).root !== fresh) throw overtaken();
    await etcd.adopt(fresh);
  }

  get #unfinishedKey(): string {
    return `${this.#site.prefix}unfinished`;
  }

  /** Takes the place of a renewal that was not finished; that one finds its mark gone. */
  async #begin(mine: string, signal: AbortSignal): Promise<void> {
    const { prefix } = this.#site;
    const key = Buffer.from(prefix);
    const nothing: ICompare = {
      key,
      range_end: endOf(prefix),
      target: 'Create',
      result: 'Equal',
      create_revision: 0,
    };
    const mark = putOp(this.#unfinishedKey, mine);
    if ((await this.#raw({ compare: [nothing], success: [mark] }, signal)).succeeded) return;
    const { unfinished } = await this.#look(signal);
    if (unfinished === mine) return;
    if (unfinished === undefined) throw overtaken();
    const before = { key, range_end: Buffer.from(this.#unfinishedKey) };
    const after = { key: Buffer.from(`${this.#unfinishedKey}\0`), range_end: endOf(prefix) };
    const left = [{ request_delete_range: before }, { request_delete_range: after }];
    const answer = await this.#raw(this.#underMine(unfinished, [...left, mark]), signal);
    if (!answer.succeeded && (await this.#look(signal)).unfinished !== mine) throw overtaken();
  }

  /** Succeeds only as long as there is no root marker, and this renewal is the one that goes on. */
  #underMine(mine: string, success: IRequestOp[]): ITxnRequest {
    const compare: ICompare[] = [
      { key: Buffer.from(`${this.#site.prefix}root`), target: 'Create', result: 'Equal', create_revision: 0 },
      { key: Buffer.from(this.#unfinishedKey), target: 'Value', result: 'Equal', value: Buffer.from(mine) },
    ];
    return { compare, success };
  }

  async #look(signal: AbortSignal): Promise<Standing> {
    const { prefix } = this.#site;
    const any = { key: Buffer.from(prefix), range_end: endOf(prefix), limit: 1, keys_only: true };
    const success = [rangeOp(`${prefix}root`), rangeOp(this.#unfinishedKey), { request_range: any }];
    const [root, unfinished, some] = (await this.#raw({ success }, signal)).responses;
    return {
      root: root?.response_range.kvs[0]?.value.toString(),
      unfinished: unfinished?.response_range.kvs[0]?.value.toString(),
      isEmpty: some?.response_range.kvs.length === 0,
    };
  }

  /** Not bound to a root marker. */
  async #raw(request: ITxnRequest, signal: AbortSignal): Promise<ITxnResponse> {
    return this.#site.etcd.client.txn({ compare: [], failure: [], ...request }, signal);
  }
}

/** A new id of the same cluster. */
function followerOf(former: string | undefined): string {
  const fresh = randomUUID();
  return former === undefined ? fresh : `${clusterOf(former)}${fresh.slice(clusterOf(fresh).length)}`;
}

function overtaken(): DriverError {
  return new DriverError('busy', 'the metadata were made anew by somebody else meanwhile; this attempt was given up', {
    next: 'see who else runs restore or rebuild, then repeat the command: what is there by then stays as it is',
  });
}
