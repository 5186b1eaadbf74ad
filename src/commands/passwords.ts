import type { BackendConfig, Config } from '../config/config.js';
import {
  dependOnPassphrase,
  looksEncrypted,
  openOldPasswords,
  passwordsInText,
  type OpenedPasswords,
} from '../config/old-passwords.js';
import { protectionOf, type Protection } from '../config/protection.js';
import type { Logger } from '../contracts/log.js';
import type { MetadataStore } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import { Secret, type Password } from '../domain/secret.js';
import { within } from '../domain/signals.js';

/** For one look at etcd, which has a deadline of its own for each call. */
const TIMEOUT_MS = 10_000;

interface Deps {
  store: Pick<MetadataStore, 'passphrases'>;
  logger: Logger;
}

/**
 * The passwords of all backends, as they are given to arrays. Those in hpe.conf that may be encrypted wait for etcd, which has the
 * passphrase or does not have it; then all of a backend wait, so that no array of a pair is taken for silent alone.
 */
export class Passwords {
  readonly #backends: Map<string, BackendPasswords>;

  constructor(config: Config, deps: Deps) {
    const all = [...config.backends.values()];
    this.#backends = new Map(all.map((backend) => [backend.name, new BackendPasswords(backend, deps)]));
  }

  /** A password of that backend. */
  of(backend: string, value: Secret): Password {
    return this.#backends.get(backend)?.password(value) ?? value;
  }

  /** How each backend's passwords are kept, and what that is worth, as far as it is known now. */
  protection(): Protection[] {
    return [...this.#backends.values()].map((each) => each.protection());
  }

  /** Writes that to the log, a line for each backend; again for one that had to wait for etcd, when it has answered. Never throws. */
  async announce(): Promise<void> {
    await Promise.all([...this.#backends.values()].map(async (each) => each.announce()));
  }
}

class BackendPasswords {
  readonly #backend: BackendConfig;
  readonly #deps: Deps;
  readonly #given: ReturnType<typeof passwordsInText>;
  #opened: OpenedPasswords | undefined;
  #isAnnounced = false;

  constructor(backend: BackendConfig, deps: Deps) {
    this.#backend = backend;
    this.#deps = deps;
    this.#given = passwordsInText(backend);
    const waits = deps.store.passphrases !== undefined && dependOnPassphrase(this.#given);
    if (!waits) this.#opened = openOldPasswords(backend.name, this.#given, undefined);
  }

  password(value: Secret): Password {
    if (this.#opened !== undefined) return this.#opened.open(value);
    const isText = this.#given.some((each) => each.value === value);
    return async (signal) => {
      const opened = await this.#open(signal);
      return isText ? opened.open(value) : value;
    };
  }

  protection(): Protection {
    return protectionOf(this.#backend, this.#opened?.encrypted);
  }

  async announce(): Promise<void> {
    this.#isAnnounced = true;
    if (this.#opened !== undefined) return this.#tell();
    try {
      await this.#open(AbortSignal.timeout(TIMEOUT_MS));
    } catch (thrown) {
      const failure = asDriverError(thrown);
      const level = failure.code === 'unavailable' ? 'warn' : 'error';
      this.#deps.logger[level](failure.toUserText(), { backend: this.#backend.name });
    }
    return undefined;
  }

  /** @throws `unavailable` while etcd is away, `invalid` when encrypted and plain passwords are mixed; the next call looks again */
  async #open(signal: AbortSignal): Promise<OpenedPasswords> {
    if (this.#opened !== undefined) return this.#opened;
    const { name } = this.#backend;
    const passphrase = await this.#passphrase(signal);
    const opened = openOldPasswords(name, this.#given, passphrase);
    if (this.#opened === undefined) {
      this.#opened = opened;
      if (this.#isAnnounced) this.#tell();
    }
    return this.#opened;
  }

  async #passphrase(signal: AbortSignal): Promise<Secret | undefined> {
    const { name } = this.#backend;
    try {
      return await this.#deps.store.passphrases?.find(name, within(TIMEOUT_MS, signal));
    } catch (thrown) {
      const failure = asDriverError(thrown);
      throw failure.reworded(
        `the passwords of backend ${name} wait for etcd, which may hold their passphrase (/backend/${name}), and no password is sent until then: ${failure.message}`,
      );
    }
  }

  #tell(): void {
    const { weak, line } = this.protection();
    const { name } = this.#backend;
    this.#deps.logger[weak ? 'warn' : 'info'](line, { backend: name });
    if (this.#opened?.encrypted === true || !looksEncrypted(this.#given)) return;
    const text = `passwords of backend ${name} look encrypted, but etcd has no passphrase in /backend/${name}, so they are sent as they are; if an array refuses them, bring the passphrase over: docs/secrets.md`;
    this.#deps.logger.warn(text, { backend: name });
  }
}
