import type { Passphrases } from '../contracts/store.js';
import { DriverError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';
import { rangeOp, type GuardedEtcd } from './etcd-root.js';

/** Where the Python plugin kept them, in the keys of etcd's old API; `etcdctl` brings them over (docs/secrets.md). */
const keyOf = (backend: string): string => `/backend/${backend}`;

/** Passphrases in etcd. The root marker is compared here, too: an etcd that was wiped does not say that there is none. */
export class EtcdPassphrases implements Passphrases {
  readonly #etcd: Pick<GuardedEtcd, 'txn'>;

  constructor(etcd: Pick<GuardedEtcd, 'txn'>) {
    this.#etcd = etcd;
  }

  async find(backend: string, signal: AbortSignal): Promise<Secret | undefined> {
    const answer = await this.#etcd.txn({ success: [rangeOp(keyOf(backend))] }, signal);
    const text = passphraseIn(answer.responses[0]?.response_range.kvs[0]?.value);
    return text === '' ? undefined : new Secret(text);
  }

  async save(backend: string, passphrase: Secret, signal: AbortSignal): Promise<void> {
    const key = keyOf(backend);
    const answer = await this.#etcd.txn(
      {
        compare: [{ key: Buffer.from(key), target: 'Create', result: 'Equal', create_revision: 0 }],
        success: [{ request_put: { key: Buffer.from(key), value: Buffer.from(passphrase.reveal()) } }],
        failure: [rangeOp(key)],
      },
      signal,
    );
    if (answer.succeeded) return;
    if (passphraseIn(answer.responses[0]?.response_range.kvs[0]?.value) === passphrase.reveal()) return;
    throw new DriverError(
      'refused',
      `etcd has another passphrase in ${key}, with which other passwords are encrypted`,
      {
        next: `encrypt with that one (without --passphrase-file); or remove it (etcdctl del ${key}), repeat this, and encrypt all passwords of backend ${backend} again`,
      },
    );
  }
}

/** `etcdctl put` keeps the line end of what is piped into it. */
const passphraseIn = (value: Buffer | undefined): string => (value?.toString() ?? '').replace(/\r?\n$/, '');
