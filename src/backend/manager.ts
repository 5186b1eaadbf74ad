import { DriverError } from '../domain/errors.js';
import type { Backend } from './backend.js';

/** Backends by name. Each connects on first use, so that a dead array never blocks another, nor the start. */
export class BackendManager {
  readonly #backends: Map<string, Backend>;

  constructor(backends: Backend[]) {
    this.#backends = new Map(backends.map((backend) => [backend.name, backend]));
  }

  /** @throws `invalid`, naming the backends that there are */
  get(name: string): Backend {
    const backend = this.#backends.get(name);
    if (backend === undefined) {
      const known = [...this.#backends.keys()].join(', ');
      throw new DriverError('invalid', `hpe.conf has no backend ${JSON.stringify(name)} (it has: ${known})`);
    }
    return backend;
  }

  find(name: string): Backend | undefined {
    return this.#backends.get(name);
  }

  all(): Backend[] {
    return [...this.#backends.values()];
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map(async (backend) => backend.close()));
  }
}
