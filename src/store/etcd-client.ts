import {
  Etcd3,
  type IDuplexStream,
  type IOptions,
  type IRangeRequest,
  type IRangeResponse,
  type ITxnRequest,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3';
import { rootCertificates } from 'node:tls';
import { DriverError } from '../domain/errors.js';
import { faultHandling } from './etcd-faults.js';
import { failureOf } from './etcd-failure.js';
import { abortError, errorText, throwIfAborted } from './failure.js';

type Interceptor = NonNullable<NonNullable<Parameters<Etcd3['watchClient']['watch']>[0]>['interceptors']>[number];

/** PEM texts. Without a CA, those that the system trusts; the client's pair only when etcd asks for one. */
export interface EtcdTls {
  ca?: Buffer;
  client?: { cert: Buffer; key: Buffer };
}

/** Answers of a watch; it never ends by itself while all is well. */
export type ChangeStream = IDuplexStream<IWatchRequest, IWatchResponse>;

/** One attempt at one host: at the only one, at one of several. */
const ATTEMPT_MS = { only: 2_000, ofSeveral: 1_200 };
/**
 * One call in all, whatever is tried again in it: time for the election of a leader, and for the answer within 5 s. When the
 * last call has waited in vain, the next ones, of which a verb may need several, are told so sooner.
 */
const CALL_MS = { usually: 4_000, whileAway: 1_500 };
/** Longer than any single attempt. */
const AWAY_AFTER_MS = 3_000;
/** A page of 500 records may be more than gRPC's own 4 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** etcd's calls with a deadline, tried again where that is safe, and failing only with DriverError `unavailable`. */
export class EtcdClient {
  /** `127.0.0.1:2379,127.0.0.2:2379` */
  readonly endpoints: string;
  readonly #etcd: Etcd3;
  /** How to end the calls that are under way. */
  readonly #pending = new Set<(reason: Error) => void>();
  /** A call has waited in vain, and none got an answer since. */
  #isAway = false;

  /** Does not connect yet. `hosts` are `address:port`. @throws `invalid` when the TLS files are no PEM */
  constructor(hosts: readonly string[], tls: EtcdTls | undefined) {
    this.endpoints = hosts.join(',');
    const attemptMs = hosts.length === 1 ? ATTEMPT_MS.only : ATTEMPT_MS.ofSeveral;
    const options: IOptions = {
      hosts: hosts.map((host) => `${tls === undefined ? 'http' : 'https'}://${host}`),
      ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
      defaultCallOptions: () => ({ deadline: Date.now() + attemptMs }),
      grpcOptions: { 'grpc.max_receive_message_length': MAX_ANSWER_BYTES },
      faultHandling: faultHandling(hosts.length, () => this.#patienceMs),
    };
    try {
      this.#etcd = new Etcd3(options);
    } catch (error) {
      throw new DriverError('invalid', `the TLS files for etcd cannot be used: ${errorText(error)}`, {
        cause: error,
        next: 'see that host_etcd_ca_cert, host_etcd_client_cert and host_etcd_client_key in hpe.conf are PEM, and the key is that of the certificate',
      });
    }
  }

  async txn(request: ITxnRequest, signal?: AbortSignal): Promise<ITxnResponse> {
    return this.#call(() => this.#etcd.kv.txn(request), signal);
  }

  async range(request: IRangeRequest, signal?: AbortSignal): Promise<IRangeResponse> {
    return this.#call(() => this.#etcd.kv.range(request), signal);
  }

  /** A new lease that ends by itself after `ttl` seconds. */
  async grantLease(ttl: number, signal?: AbortSignal): Promise<string> {
    return (await this.#call(() => this.#etcd.leaseClient.leaseGrant({ TTL: ttl }), signal)).ID;
  }

  /** Ends the lease, and with it every key that is attached to it. */
  async revokeLease(id: string): Promise<void> {
    await this.#call(() => this.#etcd.leaseClient.leaseRevoke({ ID: id }));
  }

  /** Renews the lease; returns its seconds from now, 0 when it has ended. */
  async keepLeaseAlive(id: string): Promise<number> {
    return this.#call(() => this.#keepAliveOnce(id));
  }

  /**
   * Asks for the changes of all keys from `key` up to `end` from now on. The caller cancels the stream, and has to judge its
   * silence: a host that hangs ends nothing. It does end when its member has lost the others.
   */
  async watch(key: Buffer, end: Buffer): Promise<ChangeStream> {
    const stream = await this.#etcd.watchClient.watch({ deadline: Infinity, interceptors: [requireLeader] });
    stream.write({ create_request: { key, range_end: end } });
    return stream;
  }

  close(): void {
    for (const giveUp of this.#pending) giveUp(new Error('the connection was closed'));
    this.#etcd.close();
  }

  async #keepAliveOnce(id: string): Promise<number> {
    const stream = await this.#etcd.leaseClient.leaseKeepAlive();
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

  /** Waits for the call until the signal fires or the time is over; an answer that comes later is nobody's. */
  async #call<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal !== undefined) throwIfAborted(signal);
    const began = performance.now();
    const { givenUp, giveUp } = surrender();
    const isAborted = (): void => giveUp(new Error('the caller gave up'));
    // The timers of signals, and those of gRPC, would not keep a process alive that only waits for this.
    const timer = setTimeout(() => giveUp(new Error('no answer in time')), this.#patienceMs);
    this.#pending.add(giveUp);
    signal?.addEventListener('abort', isAborted);
    try {
      const answer = await Promise.race([call(), givenUp]);
      this.#isAway = false;
      return answer;
    } catch (error) {
      if (signal?.aborted === true) throw abortError(signal);
      if (performance.now() - began > AWAY_AFTER_MS) this.#isAway = true;
      throw failureOf(this.endpoints, error);
    } finally {
      clearTimeout(timer);
      this.#pending.delete(giveUp);
      signal?.removeEventListener('abort', isAborted);
    }
  }

  get #patienceMs(): number {
    return this.#isAway ? CALL_MS.whileAway : CALL_MS.usually;
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

function credentialsOf(tls: EtcdTls): NonNullable<IOptions['credentials']> {
  const pair = tls.client === undefined ? {} : { privateKey: tls.client.key, certChain: tls.client.cert };
  return { rootCertificate: tls.ca ?? Buffer.from(rootCertificates.join('\n')), ...pair };
}
