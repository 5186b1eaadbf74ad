import { randomBytes } from 'node:crypto';
import { Refusal } from './codes.js';

/** WSAPI sessions of one array (reference 1.1): sliding idle time, limited in number. */
export class Sessions {
  readonly #lastUse = new Map<string, number>();
  readonly #max: number;
  readonly #idleMs: number;

  constructor(limits: { max: number; idleSeconds: number }) {
    this.#max = limits.max;
    this.#idleMs = limits.idleSeconds * 1000;
  }

  get size(): number {
    this.#dropIdle();
    return this.#lastUse.size;
  }

  /** @throws Refusal 503 when all are in use */
  create(): string {
    if (this.size >= this.#max) {
      throw new Refusal('SESSIONS_EXHAUSTED', 'the maximum number of WSAPI connections is in use');
    }
    const key = `0-${randomBytes(16).toString('hex')}-${randomBytes(4).toString('hex')}`;
    this.#lastUse.set(key, performance.now());
    return key;
  }

  /** Checks the key and extends its life. @throws Refusal 403/6 */
  use(key: string | undefined): void {
    this.#dropIdle();
    if (key === undefined || !this.#lastUse.has(key)) throw new Refusal('INV_SESS_KEY', 'invalid session key');
    this.#lastUse.set(key, performance.now());
  }

  delete(key: string): void {
    if (!this.#lastUse.delete(key)) throw new Refusal('INV_SESS_KEY', 'invalid session key');
  }

  /** A restarted array knows none of them. */
  clear(): void {
    this.#lastUse.clear();
  }

  #dropIdle(): void {
    const oldest = performance.now() - this.#idleMs;
    for (const [key, used] of this.#lastUse) if (used < oldest) this.#lastUse.delete(key);
  }
}
