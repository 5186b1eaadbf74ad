import type {
  Etcd3,
  IDuplexStream,
  IRangeRequest,
  IRangeResponse,
  ITxnRequest,
  ITxnResponse,
  IWatchRequest,
  IWatchResponse,
} from 'etcd3';
import { createSecureContext } from 'node:tls';
import { DriverError } from '../domain/errors.js';
import { ownTurn } from '../domain/own-turn.js';
import type { EtcdConnection } from './etcd-connection.js';
import { abortError, errorText, throwIfAborted } from './failure.js';

type Interceptor = NonNullable<NonNullable<Parameters<Etcd3['watchClient']['watch']>[0]>['interceptors']>[number];

/** PEM texts. Without a CA, those that the system trusts; the client's pair only when etcd asks for one. */
export interface EtcdTls {
  ca?: Buffer;
  client?: { cert: Buffer; key: Buffer };
}

/** Answers of a watch; it never ends by itself while all is well. */
export type ChangeStream = IDuplexStream<IWatchRequest, IWatchResponse>;

/**
 * One call in all, whatever is tried again in it: time for the election of a leader, and for the answer within 5 s. When the
 * last call has waited in vain, the next ones, of which a verb may need several, are told so sooner.
 */
const CALL_MS = { usually: 4_000, whileAway: 1_500 };
/** Longer than any single attempt. */
const AWAY_AFTER_MS = 3_000;
/** etcd's calls with a deadline, tried again where that is safe, and failing only with DriverError `unavailable`. */
export class EtcdClient {
  /** `127.0.0.1:2379,127.0.0.2:2379` */
  readonly endpoints: string;
  readonly #hosts: readonly string[];
  readonly #tls: EtcdTls | undefined;
  #connected: Promise<EtcdConnection> | undefined;
  /** How to end the calls that are under way. */
  readonly #pending = new Set<(reason: Error) => void>();
  /** A call has waited in vain, and none got an answer since. */
  #isAway = false;
  #isClosed = false;

  /** Does not connect yet. `hosts` are `address:port`. @throws `invalid` when the TLS files are no PEM */
  constructor(hosts: readonly string[], tls: EtcdTls | undefined) {
    this.endpoints = hosts.join(',');
    this.#hosts = hosts;
    this.#tls = tls;
    if (tls !== undefined) checkTls(tls);
  }

  async txn(request: ITxnRequest, signal?: AbortSignal): Promise<ITxnResponse> {
    return this.#call(async ({ kv }) => kv.txn(request), signal);
  }

  async range(request: IRangeRequest, signal?: AbortSignal): Promise<IRangeResponse> {
    return this.#call(async ({ kv }) => kv.range(request), signal);
  }

  /** A new lease that ends by itself after `ttl` seconds. */
  async grantLease(ttl: number, signal?: AbortSignal): Promise<string> {
    return (await this.#call(async ({ leaseClient }) => leaseClient.leaseGrant({ TTL: ttl }), signal)).ID;
  }

  /** Ends the lease, and with it every key that is attached to it. */
  async revokeLease(id: string): Promise<void> {
    await this.#call(async ({ leaseClient }) => leaseClient.leaseRevoke({ ID: id }), undefined, true);
  }

  /** Renews the lease; returns its seconds from now, 0 when it has ended. */
  async keepLeaseAlive(id: string): Promise<number> {
    return this.#call(async (etcd) => keepAliveOnce(etcd, id), undefined, true);
  }

  /**
   * Asks for the changes of all keys from `key` up to `end` from now on. The caller cancels the stream, and has to judge its
   * silence: a host that hangs ends nothing. It does end when its member has lost the others.
   */
  async watch(key: Buffer, end: Buffer): Promise<ChangeStream> {
    const { etcd } = await this.#connect();
    const stream = await etcd.watchClient.watch({ deadline: Infinity, interceptors: [requireLeader] });
    stream.write({ create_request: { key, range_end: end } });
    return stream;
  }

  close(): void {
    for (const giveUp of this.#pending) giveUp(new Error('the connection was closed'));
    this.#isClosed = true;
    void this.#connected?.then(({ etcd }) => etcd.close()).catch(() => undefined);
  }

  /** The client's library is loaded by the first call: a daemon that starts answers Docker before. */
  async #connect(): Promise<EtcdConnection> {
    if (this.#isClosed) throw new DriverError('unavailable', 'the connection to etcd was closed');
    this.#connected ??= import('./etcd-connection.js').then(({ connectEtcd }) =>
      connectEtcd(this.#hosts, this.#tls, () => this.#patienceMs),
    );
    try {
      return await this.#connected;
    } catch (thrown) {
      // Tried again by the next call.
      this.#connected = undefined;
      throw thrown;
    }
  }

  /**
   * Waits for the call until the signal fires or the time is over; an answer that comes later is nobody's. It has a turn of its own, and is
   * not sent when it was given up by then; what keeps locks, or gives them up, is urgent and waits for nobody.
   */
  async #call<T>(call: (etcd: Etcd3) => Promise<T>, signal?: AbortSignal, isUrgent = false): Promise<T> {
    if (signal !== undefined) throwIfAborted(signal);
    const { etcd, failureOf } = await this.#connect();
    const { givenUp, giveUp } = surrender();
    let isOver = false;
    let sentAt = Infinity;
    const send = async (): Promise<T> => {
      if (!isUrgent) await ownTurn();
      if (isOver) return givenUp;
      sentAt = performance.now();
      return call(etcd);
    };
    const isAborted = (): void => giveUp(new Error('the caller gave up'));
    // The timers of signals, and those of gRPC, would not keep a process alive that only waits for this.
    const timer = setTimeout(() => giveUp(new Error('no answer in time')), this.#patienceMs);
    this.#pending.add(giveUp);
    signal?.addEventListener('abort', isAborted);
    try {
      const answer = await Promise.race([send(), givenUp]);
      this.#isAway = false;
      return answer;
    } catch (error) {
      if (signal?.aborted === true) throw abortError(signal);
      if (performance.now() - sentAt > AWAY_AFTER_MS) this.#isAway = true;
      throw failureOf(this.endpoints, error);
    } finally {
      isOver = true;
      clearTimeout(timer);
      this.#pending.delete(giveUp);
      signal?.removeEventListener('abort', isAborted);
    }
  }

  get #patienceMs(): number {
    return this.#isAway ? CALL_MS.whileAway : CALL_MS.usually;
  }
}

async function keepAliveOnce(etcd: Etcd3, id: string): Promise<number> {
  const stream = await etcd.leaseClient.leaseKeepAlive();
  try {
    return await new Promise<number>((resolve, reject) => {
      stream.on('data', (answer) => resolve(Number(answer.TTL)));
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('etcd ended the stream')));
      stream.write({ ID: id });
    });
  } finally {
    stream.end();
  }
}

/** Says what etcd's own client calls `WithRequireLeader`; without it a member that is cut off from the others is just silent. */
const requireLeader: Interceptor = (options, nextCall) => {
  const call = nextCall(options);
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    metadata.set('hasleader', 'true');
    start(metadata, listener);
  };
  // The chain uses no more of it than that interface; to make an InterceptingCall takes a package that is not ours.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return call as ReturnType<Interceptor>;
};

/** A promise that only fails, when told to. */
function surrender(): { givenUp: Promise<never>; giveUp: (reason: Error) => void } {
  let giveUp: ((reason: Error) => void) | undefined;
  const givenUp = new Promise<never>((_, reject) => (giveUp = reject));
  return { givenUp, giveUp: (reason) => giveUp?.(reason) };
}

/** @throws `invalid` */
function checkTls({ ca, client }: EtcdTls): void {
  try {
    createSecureContext({ ...(ca === undefined ? {} : { ca }), ...client });
  } catch (error) {
    throw new DriverError('invalid', `the TLS files for etcd cannot be used: ${errorText(error)}`, {
      cause: error,
      next: 'see that host_etcd_ca_cert, host_etcd_client_cert and host_etcd_client_key in hpe.conf are PEM, and the key is that of the certificate',
    });
  }
}
