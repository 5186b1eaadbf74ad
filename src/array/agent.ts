import https, { type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { overdueTimersHaveFired } from '../domain/overdue-timers.js';
import { plainFingerprint, type Trust } from './trust.js';

/** An array's web server serves few at once, and other clients want some of them. */
const MAX_CONNECTIONS = 12;
/** A live array finishes TCP and TLS in milliseconds; a dead one must not use up the deadline of the whole call. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Below the idle limit of the array's web server, so that it never closes a connection that we are about to use. */
const IDLE_TIMEOUT_MS = 4_000;

/** The connection was not made, so the request was certainly not sent. */
export class NotConnected extends Error {
  constructor(reason: unknown) {
    super(reason instanceof Error ? reason.message : String(reason), { cause: reason });
    this.name = 'NotConnected';
  }
}

/** Nobody answered at that address; asking again at once would only take as long again. */
export class ConnectTimeout extends Error {
  constructor() {
    super(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`);
    this.name = 'ConnectTimeout';
  }
}

/** Keeps connections to one array, and hands none out before its certificate was judged. */
export class ArrayAgent extends https.Agent {
  readonly #trust: Trust;
  /** One for all connections: to make it costs as much as a fifth of a handshake. */
  #secureContext: tls.SecureContext | undefined;

  constructor(trust: Trust) {
    super({ keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_TIMEOUT_MS });
    this.#trust = trust;
  }

  override createConnection(options: RequestOptions, callback?: (error: Error | null, stream: Duplex) => void): null {
    this.#secureContext ??= tls.createSecureContext({ ca: this.#trust.ca });
    const socket = tls.connect({
      host: options.host ?? 'localhost',
      port: Number(options.port ?? 443),
      servername: options.servername ?? '',
      secureContext: this.#secureContext,
      // The check is ours, in #findFault, before the socket is handed over.
      rejectUnauthorized: false,
    });
    socket.setNoDelay(true);
    // The library counts a connection from when it is handed over; until then it takes a place here.
    this.maxSockets -= 1;
    let isSettled = false;
    const settle = (failure: unknown): void => {
      if (isSettled) return;
      isSettled = true;
      this.maxSockets += 1;
      clearTimeout(timer);
      socket.off('error', settle);
      if (failure === undefined) {
        callback?.(null, socket);
        return;
      }
      // Whatever the dying socket still reports has been told.
      socket.on('error', () => undefined);
      socket.destroy();
      callback?.(new NotConnected(failure), socket);
      this.#refuseWaiting(failure);
    };
    const timer = setTimeout(() => {
      settle(new ConnectTimeout());
    }, CONNECT_TIMEOUT_MS);
    socket.once('error', settle);
    socket.once('secureConnect', () => {
      void this.#findFault(socket).then(settle);
    });
    return null;
  }

  /** A request that waits for a connection gets it only after the timers that may end the request. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'free' || !this.#isAwaited()) return super.emit(event, ...args);
    void overdueTimersHaveFired().then(() => super.emit(event, ...args));
    return true;
  }

  #isAwaited(): boolean {
    return Object.values(this.requests).some((waiting) => waiting !== undefined && waiting.length > 0);
  }

  /**
   * Requests that wait for a connection get the next one that is free, or a new one for one that has ended. When none is there
   * and none is being made any more, they hear why instead.
   */
  #refuseWaiting(failure: unknown): void {
    const isAnyThere = Object.values(this.sockets).some((open) => open !== undefined && open.length > 0);
    if (isAnyThere || this.maxSockets < MAX_CONNECTIONS) return;
    for (const [name, waiting] of Object.entries(this.requests)) {
      // Node takes the first of each list that is there for granted, and would end the process over an empty one.
      Reflect.deleteProperty(this.requests, name);
      for (const request of waiting ?? []) {
        request.destroy();
        // Without a connection it would never say so itself.
        request.emit('error', new NotConnected(failure));
      }
    }
  }

  /** Why the certificate is not the array's; undefined when it is. */
  async #findFault(socket: tls.TLSSocket): Promise<unknown> {
    try {
      const fault = socket.authorized ? undefined : String(socket.authorizationError);
      await this.#trust.judge({ fingerprint: plainFingerprint(socket.getPeerCertificate().fingerprint256), fault });
      await overdueTimersHaveFired();
      return undefined;
    } catch (thrown) {
      return thrown;
    }
  }
}
