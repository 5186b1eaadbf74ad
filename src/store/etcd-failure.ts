import { EtcdError, GRPCGenericError } from 'etcd3';
import { DriverError } from '../domain/errors.js';
import { isSilence } from './etcd-faults.js';
import { errorText } from './failure.js';

/** gRPC wraps the reason in words that help nobody. */
const WRAPPED = /Last error: (?:Error: )?(.*?)(?: \(\d{4}-\d\d-\d\dT\S+\))?\. Resolution note:/;
/** OpenSSL's words for a refusal by the other side. */
const ALERT = /SSL routines:[^:]*:(?:sslv3|tlsv1|tlsv13)? ?alert ([a-z ]+)/;

/** What a reason points to; the first that matches. */
const ADVICE: readonly { reason: RegExp; next: string }[] = [
  {
    reason: /refused our certificate/,
    next: 'check host_etcd_client_cert and host_etcd_client_key in hpe.conf: etcd takes certificates of its own authority (--trusted-ca-file) only',
  },
  {
    reason: /certificate/,
    next: 'check host_etcd_ca_cert in hpe.conf: it has to be the authority that signed the certificate of etcd',
  },
  {
    reason: /database space exceeded/,
    next: 'etcd is full: etcdctl compact, etcdctl defrag, then etcdctl alarm disarm',
  },
  {
    reason: /before secure TLS|wrong version number/,
    next: 'etcd does not speak TLS there: check host_etcd_ip_address in hpe.conf, or remove host_etcd_ca_cert and host_etcd_client_cert',
  },
  {
    reason: /^Failed to connect$|closed the connection at once/,
    next: 'see that etcd runs; it may want TLS, or a certificate: host_etcd_ca_cert, host_etcd_client_cert and host_etcd_client_key in hpe.conf',
  },
];

const refusal = (alert: string): string => `etcd refused our certificate (${alert})`;

/** An etcd without TLS may answer the first bytes of TLS so, rather than by closing. */
const BROKEN = /ECONNRESET/;
const MAYBE_NOT_TLS =
  'see that etcd runs, and that it speaks TLS there: check host_etcd_ip_address in hpe.conf, or remove host_etcd_ca_cert and host_etcd_client_cert';

/** Our error for a call that failed. */
export function failureOf(endpoints: string, error: unknown, { usesTls }: { usesTls: boolean }): DriverError {
  const text = errorText(error);
  const [, unwrapped = text] = WRAPPED.exec(text) ?? [];
  const [, alert] = ALERT.exec(unwrapped) ?? [];
  const reason = alert === undefined ? unwrapped.replace(/^null$/, 'it closed the connection at once') : refusal(alert);
  const next =
    ADVICE.find((each) => each.reason.test(reason))?.next ??
    (usesTls && BROKEN.test(reason) ? MAYBE_NOT_TLS : undefined) ??
    `check host_etcd_ip_address in hpe.conf, and etcd itself: etcdctl --endpoints=${endpoints} endpoint health`;
  const isAnswer = error instanceof EtcdError || (error instanceof GRPCGenericError && !isSilence(error));
  const what = isAnswer ? 'answers with an error' : 'does not answer';
  return new DriverError('unavailable', `etcd at ${endpoints} ${what}: ${reason}`, { cause: error, next });
}
