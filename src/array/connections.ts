import type { Contact, PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import { openPassword, Secret } from '../domain/secret.js';
import { ArrayAgent } from './agent.js';
import { Session } from './session.js';
import type { ArraySettings } from './settings.js';
import { Transport } from './transport.js';
import { trustOf } from './trust.js';

/** What is remembered of an array, by all who share a connection to it. */
export interface Access {
  /** The last call's. Its failure names the array as `label` does. */
  contact?: Contact & { label: string };
}

/** The way to one array as one user. */
export interface Connection {
  /** Of this connection alone until it is open. */
  access(): Access;
  /** Has the password first. @throws DriverError when it cannot be had; nothing was sent then */
  open(signal: AbortSignal): Promise<{ transport: Transport; session: Session }>;
  /** The array's own words, in case that they repeat what we sent. */
  withoutSecrets(text: string): string;
  /** Ends the session when nobody else uses it. */
  release(): Promise<void>;
}

interface Shared {
  key: string;
  transport: Transport;
  session: Session;
  access: Access;
  users: number;
}

/**
 * Backends that use the same array as the same user share one session and its logins: an array has few sessions, and locks
 * a user after some wrong passwords, whichever section of hpe.conf they stand in.
 */
export class Connections {
  readonly #deps: { pins: PinStore; logger: Logger };
  readonly #shared = new Map<string, Shared>();

  constructor(deps: { pins: PinStore; logger: Logger }) {
    this.#deps = deps;
  }

  take(settings: ArraySettings): Connection {
    const { password: given } = settings;
    let shared = given instanceof Secret ? this.#join(settings, given) : undefined;
    let released = false;
    const unshared: Access = {};
    return {
      access: () => shared?.access ?? unshared,
      open: async (signal) => {
        if (shared !== undefined) return shared;
        const password = await openPassword(given, signal);
        if (released) throw new DriverError('unavailable', 'the connection was closed');
        // Another call may have been faster.
        shared ??= this.#join(settings, password);
        return shared;
      },
      withoutSecrets: (text) => shared?.session.withoutSecrets(text) ?? text,
      release: async () => {
        released = true;
        if (shared !== undefined) await this.#leave(shared);
      },
    };
  }

  #join(settings: ArraySettings, password: Secret): Shared {
    const { apiUrl, username, ca, fingerprint, tlsVerify } = settings;
    const key = JSON.stringify([apiUrl, username, password.reveal(), ca, fingerprint, tlsVerify]);
    const shared = this.#shared.get(key) ?? this.#connect(settings, { key, password });
    this.#shared.set(key, shared);
    shared.users += 1;
    return shared;
  }

  #connect(settings: ArraySettings, { key, password }: { key: string; password: Secret }): Shared {
    const { apiUrl, username } = settings;
    const transport = new Transport(apiUrl, new ArrayAgent(trustOf(settings, this.#deps)));
    const session = new Session({ apiUrl, username, password }, transport, this.#deps.logger);
    return { key, transport, session, access: {}, users: 0 };
  }

  async #leave(shared: Shared): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#shared.delete(shared.key);
    await shared.session.close();
    shared.transport.close();
  }
}
