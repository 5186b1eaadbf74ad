import type { ITxnResponse } from 'etcd3';
import { DriverError } from '../domain/errors.js';
import { endOf, rangeOp, textIn, type GuardedEtcd } from './etcd-root.js';

/** Entries of one answer: as a whole within gRPC's limit, and no long wait for the rest of the daemon. */
const PAGE = { records: 300, keys: 5_000 };

/** Keys of one question; etcd takes 128 operations in a transaction. */
const MOST_KEYS = 100;

/** One key of etcd, without the prefix that was asked for. */
export interface Entry {
  rest: string;
  /** Empty where only keys were asked for. */
  value: Buffer;
}

/** All keys below the prefix, which ends in `/`, sorted, of one moment: of that revision, or of the first page's. */
export async function* pagesBelow(
  etcd: GuardedEtcd,
  prefix: string,
  { signal, keysOnly = false, revision: of }: { signal: AbortSignal; keysOnly?: boolean; revision?: string },
): AsyncGenerator<Entry[]> {
  const limit = keysOnly ? PAGE.keys : PAGE.records;
  const end = endOf(prefix);
  let revision = of;
  const ask = async (key: Buffer): Promise<ITxnResponse> => {
    const at = revision === undefined ? {} : { revision };
    const request = { key, range_end: end, limit, keys_only: keysOnly, ...at };
    return etcd.txn({ success: [{ request_range: request }] }, signal);
  };
  let ahead: Promise<ITxnResponse> | undefined;
  for (let key = Buffer.from(prefix); ;) {
    const answer = await (ahead ?? ask(key));
    const found = answer.responses[0]?.response_range;
    if (found === undefined) throw new DriverError('internal', 'etcd answered a list without a list');
    const last = found.kvs.at(-1);
    const isEnd = !found.more || last === undefined;
    if (!isEnd) {
      key = Buffer.concat([last.key, Buffer.of(0)]);
      revision ??= answer.header.revision;
      // Who wants names wants all of them, and etcd finds the next while these are looked at.
      ahead = keysOnly ? ask(key) : undefined;
      ahead?.catch(() => undefined);
    }
    yield found.kvs.map((each) => ({ rest: each.key.toString().slice(prefix.length), value: each.value }));
    if (isEnd) return;
  }
}

/** What stands under each of the keys; as many of one moment as one question has. */
export async function textsOf(
  etcd: GuardedEtcd,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<(string | undefined)[]> {
  const texts: (string | undefined)[] = [];
  for (let at = 0; at < keys.length; at += MOST_KEYS) {
    const { responses } = await etcd.txn({ success: keys.slice(at, at + MOST_KEYS).map(rangeOp) }, signal);
    texts.push(...responses.map(textIn));
  }
  return texts;
}
