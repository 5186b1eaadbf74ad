import type { PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { ArrayAgent } from './agent.js';
import { Session } from './session.js';
import type { ArraySettings } from './settings.js';
import { Transport } from './transport.js';
import { trustOf } from './trust.js';

/** The way to one array as one user. */
export interface Connection {
  transport: Transport;
  session: Session;
  /** Ends the session when nobody else uses it. */
  release(): Promise<void>;
}

interface Shared {
  transport: Transport;
  session: Session;
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
    const { apiUrl, username, password, ca, fingerprint, tlsVerify } = settings;
    const key = JSON.stringify([apiUrl, username, password.reveal(), ca, fingerprint, tlsVerify]);
    const shared = this.#shared.get(key) ?? this.#open(settings);
    this.#shared.set(key, shared);
    shared.users += 1;
    const release = async (): Promise<void> => {
      shared.users -= 1;
      if (shared.users > 0) return;
      this.#shared.delete(key);
      await shared.session.close();
      shared.transport.close();
    };
    return { transport: shared.transport, session: shared.session, release };
  }

  #open(settings: ArraySettings): Shared {
    const transport = new Transport(settings.apiUrl, new ArrayAgent(trustOf(settings, this.#deps)));
    return { transport, session: new Session(settings, transport, this.#deps.logger), users: 0 };
  }
}
