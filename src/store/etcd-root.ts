import type { ICompare, IRequestOp, IResponseOp, ITxnRequest, ITxnResponse } from 'etcd3';
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { readIfThere, writeDurably } from './durable-file.js';
import type { EtcdClient } from './etcd-client.js';
import { errorText } from './failure.js';
import { INDEX_MARKER, INDEX_VERSION } from './volume-index.js';

const identityFile = z.strictObject({ schema: z.literal(1), root: z.uuid() });

/**
 * Knows which metadata are ours. A random root marker is written at the first contact with an etcd that has nothing under
 * our prefix; this node remembers it in a file. Every transaction compares the marker, so a wiped etcd, or another
 * cluster at the same address, answers nothing and takes nothing: an empty list would look like "no volumes".
 */
export class GuardedEtcd {
  readonly client: EtcdClient;
  readonly #prefix: string;
  readonly #file: string;
  /** The marker, once it is known. */
  #root: string | undefined;
  /** Callers that learn of a marker together write the file one after the other, and only the first of them. */
  #remembering: Promise<void> = Promise.resolve();
  #inFile: string | undefined;

  /** @param prefix ends in `/` @param stateDir keeps `metadata-identity.json` */
  constructor(client: EtcdClient, prefix: string, stateDir: string) {
    this.client = client;
    this.#prefix = prefix;
    this.#file = path.join(stateDir, 'metadata-identity.json');
  }

  /** One transaction on our own metadata. @throws `unavailable` when etcd is away, or is not the one known here */
  async txn(request: ITxnRequest, signal?: AbortSignal): Promise<ITxnResponse> {
    const root = await this.#knownRoot(signal);
    const same: ICompare = { key: this.#rootKey, target: 'Value', result: 'Equal', value: Buffer.from(root) };
    const answer = await this.client.txn(
      {
        compare: [same, ...(request.compare ?? [])],
        success: request.success ?? [],
        failure: [
          { request_range: { key: this.#rootKey } },
          rangeOp(`${this.#prefix}follows/${root}`),
          ...(request.failure ?? []),
        ],
      },
      signal,
    );
    if (answer.succeeded) return answer;
    const [seen, follower, ...responses] = answer.responses;
    const there = textIn(seen);
    if (there === root) return { ...answer, responses };
    if (there === undefined || textIn(follower) !== there) throw this.#stranger(there);
    await this.adopt(there);
    return this.txn(request, signal);
  }

  /** The marker of the metadata that were asked last; undefined before. */
  get root(): string | undefined {
    return this.#root;
  }

  /** The marker of the metadata that this node knew last, in this run or before; undefined if it never knew any. */
  async remembered(): Promise<string | undefined> {
    return this.#root ?? (await this.#rememberedRoot());
  }

  /** From now on these are this node's metadata: made anew in the place of those that it knew. */
  async adopt(root: string): Promise<void> {
    await this.#remember(root);
    this.#root = root;
  }

  get #rootKey(): Buffer {
    return Buffer.from(`${this.#prefix}root`);
  }

  async #knownRoot(signal?: AbortSignal): Promise<string> {
    this.#root ??= (await this.#rememberedRoot()) ?? (await this.#firstContact(signal));
    return this.#root;
  }

  async #rememberedRoot(): Promise<string | undefined> {
    try {
      const text = await readIfThere(this.#file);
      return text === undefined ? undefined : identityFile.parse(JSON.parse(text)).root;
    } catch (error) {
      const what = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : errorText(error);
      throw new DriverError('unavailable', `${this.#file} cannot be read, which names this node's metadata: ${what}`, {
        cause: error,
        next: 'copy the file from another node; without it this node cannot tell its own etcd from an empty one',
      });
    }
  }

  /** Adopts the marker that is there, or makes one where nothing is; two nodes that do so at once agree. */
  async #firstContact(signal?: AbortSignal): Promise<string> {
    const prefix = Buffer.from(this.#prefix);
    const end = endOf(this.#prefix);
    const fresh = randomUUID();
    const seen = await this.client.range({ key: this.#rootKey }, signal);
    const there = seen.kvs[0]?.value.toString();
    if (there !== undefined) {
      await this.#remember(there);
      return there;
    }
    const made = await this.client.txn(
      {
        // No key of the whole prefix has ever been created. With many keys etcd stands still while it compares them all.
        compare: [{ key: prefix, range_end: end, target: 'Create', result: 'Equal', create_revision: 0 }],
        // Every write of a volume keeps its index from here on (volume-index.ts).
        success: [putOp(`${this.#prefix}root`, fresh), putOp(`${this.#prefix}${INDEX_MARKER}`, INDEX_VERSION)],
        failure: [{ request_range: { key: this.#rootKey } }],
      },
      signal,
    );
    const root = made.succeeded ? fresh : textIn(made.responses[0]);
    if (root === undefined) {
      throw new DriverError(
        'unavailable',
        `etcd at ${this.client.endpoints} has keys under ${this.#prefix}, but no root marker: the metadata are damaged`,
        {
          next: `look at them (etcdctl get --prefix --keys-only ${this.#prefix}) and restore etcd from a backup; a restore or rebuild that was begun and not finished is repeated`,
        },
      );
    }
    await this.#remember(root);
    return root;
  }

  async #remember(root: string): Promise<void> {
    const before = this.#remembering;
    const turn = (async () => {
      await before;
      if (this.#inFile !== root) await this.#write(root);
      this.#inFile = root;
    })();
    this.#remembering = turn.catch(() => undefined);
    await turn;
  }

  async #write(root: string): Promise<void> {
    try {
      await mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 });
      await writeDurably(this.#file, `${JSON.stringify({ schema: 1, root })}\n`);
    } catch (error) {
      throw new DriverError('unavailable', `${this.#file} cannot be written: ${errorText(error)}`, { cause: error });
    }
  }

  #stranger(seen: string | undefined): DriverError {
    // An operator may correct the file while the daemon runs.
    this.#root = undefined;
    this.#inFile = undefined;
    return new DriverError(
      'unavailable',
      `etcd at ${this.client.endpoints} is not the one known to this node: ${
        seen === undefined ? 'it was wiped, or is a new cluster' : 'it belongs to another cluster'
      }; nothing was read or changed`,
      {
        next: `check host_etcd_ip_address in hpe.conf; if the metadata are lost, type: hpe-volume-plugin restore FILE, or hpe-volume-plugin rebuild; only if they were really made anew elsewhere, remove ${this.#file}`,
      },
    );
  }
}

/** The first key after all keys that begin with the prefix, which ends in `/`. */
export const endOf = (prefix: string): Buffer => Buffer.from(`${prefix.slice(0, -1)}0`);

export const rangeOp = (key: string): IRequestOp => ({ request_range: { key: Buffer.from(key) } });
export const putOp = (key: string, value = ''): IRequestOp => ({
  request_put: { key: Buffer.from(key), value: Buffer.from(value) },
});
export const deleteOp = (key: string): IRequestOp => ({ request_delete_range: { key: Buffer.from(key) } });

/** What `rangeOp` has found. */
export const textIn = (response: IResponseOp | undefined): string | undefined =>
  response?.response_range.kvs[0]?.value.toString();
