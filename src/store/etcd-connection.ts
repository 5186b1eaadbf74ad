import { Etcd3, type IOptions } from 'etcd3';
import { rootCertificates } from 'node:tls';
import type { DriverError } from '../domain/errors.js';
import type { EtcdTls } from './etcd-client.js';
import { failureOf } from './etcd-failure.js';
import { faultHandling } from './etcd-faults.js';

/** One attempt at one host: at the only one, at one of several. */
const ATTEMPT_MS = { only: 2_000, ofSeveral: 1_200 };
/** A page of 500 records may be more than gRPC's own 4 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** What needs etcd's library, which takes its time to load. */
export interface EtcdConnection {
  etcd: Etcd3;
  /** Our error for a call that failed. */
  failureOf: (endpoints: string, error: unknown) => DriverError;
}

/** Does not connect yet. `callMs` is the time for one call in all. */
export function connectEtcd(hosts: readonly string[], tls: EtcdTls | undefined, callMs: () => number): EtcdConnection {
  const attemptMs = hosts.length === 1 ? ATTEMPT_MS.only : ATTEMPT_MS.ofSeveral;
  const etcd = new Etcd3({
    hosts: hosts.map((host) => `${tls === undefined ? 'http' : 'https'}://${host}`),
    ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
    defaultCallOptions: () => ({ deadline: Date.now() + attemptMs }),
    grpcOptions: { 'grpc.max_receive_message_length': MAX_ANSWER_BYTES },
    faultHandling: faultHandling(hosts.length, callMs),
  });
  const usesTls = tls !== undefined;
  return { etcd, failureOf: (endpoints, error) => failureOf(endpoints, error, { usesTls }) };
}

function credentialsOf(tls: EtcdTls): NonNullable<IOptions['credentials']> {
  const pair = tls.client === undefined ? {} : { privateKey: tls.client.key, certChain: tls.client.cert };
  return { rootCertificate: tls.ca ?? Buffer.from(rootCertificates.join('\n')), ...pair };
}
