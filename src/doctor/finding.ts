/** `error`: something will not work; `warning`: it works, and should not stay so; `note`: worth knowing, nothing is wrong. */
export type Severity = 'error' | 'warning' | 'note';

/** Everything that `doctor` can find, and how bad it is. The ids are for scripts and docs/doctor.md; they never change. */
export const FINDINGS = {
  'config-invalid': 'error',
  'config-warning': 'warning',
  'config-exposed': 'error',
  'password-weak': 'warning',
  'docker-timeout': 'note',
  'daemon-down': 'warning',
  'socket-exposed': 'error',
  'state-dir-exposed': 'error',
  'array-unreachable': 'error',
  'array-certificate': 'error',
  'array-certificate-first-contact': 'warning',
  'array-certificate-unchecked': 'warning',
  'array-trust-unknown': 'error',
  'array-login': 'error',
  'array-sessions': 'error',
  'array-answer': 'error',
  'array-version': 'error',
  'array-licence': 'error',
  'array-licence-snapshots': 'warning',
  'array-cpg': 'error',
  'array-cpg-domain': 'error',
  'array-clock': 'warning',
  'array-ports': 'error',
  'array-portal': 'warning',
  'portal-unreachable': 'error',
  'fc-not-zoned': 'error',
  'array-host-entries': 'error',
  'ssh-unreachable': 'warning',
  'ssh-host-key': 'error',
  'ssh-host-key-first-contact': 'warning',
  'ssh-login': 'warning',
  'pair-same-array': 'error',
  'pair-target': 'error',
  'pair-target-elsewhere': 'error',
  'pair-links': 'error',
  'pair-mode': 'warning',
  'pair-witness': 'error',
  'group-not-proven': 'error',
  'group-mismatch': 'error',
  'group-failed-over': 'warning',
  'group-stopped': 'warning',
  'group-not-synced': 'warning',
  'group-sync-late': 'warning',
  'stale-copy': 'error',
  'export-left': 'warning',
  'operation-open': 'warning',
  'volume-backend': 'error',
  'metadata-unreadable': 'error',
  'metadata-local': 'note',
  'etcd-unreachable': 'error',
  'etcd-tls': 'error',
  'etcd-member': 'warning',
  'etcd-slow': 'warning',
  'etcd-plain': 'warning',
  'etcd-stranger': 'error',
  'etcd-new': 'note',
  'host-tool': 'error',
  'host-tool-xfs': 'note',
  'host-prefix': 'error',
  'host-versions': 'note',
  'host-module': 'error',
  'host-initiator-name': 'error',
  'host-iscsid': 'error',
  'host-fc-port': 'error',
  'host-fc-scan': 'warning',
  'host-multipathd': 'error',
  'host-find-multipaths': 'error',
  'host-multipath-device': 'warning',
  'host-multipath-setting': 'warning',
  'host-multipath-queue': 'warning',
  'host-multipath-blacklist': 'error',
  'host-unknown': 'warning',
} as const satisfies Record<string, Severity>;

export type FindingId = keyof typeof FINDINGS;

/** One thing that is wrong, or worth knowing. Holds no secret. */
export interface Finding {
  id: FindingId;
  severity: Severity;
  /** `primary array of backend DEFAULT`, `this host`, … */
  about: string;
  seen: string;
  /** What to type or to look at; empty for a note that asks for nothing. */
  fix: string;
}

/** Makes the findings about one thing. */
export const about =
  (what: string) =>
  (id: FindingId, seen: string, fix: string): Finding => ({ id, severity: FINDINGS[id], about: what, seen, fix });

/** Nothing that has to be mended. */
export const isHealthy = (findings: readonly Finding[]): boolean =>
  findings.every(({ severity }) => severity === 'note');

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** The worst first; those of one severity as they were found. The same thing is told once. */
export function sorted(findings: readonly Finding[]): Finding[] {
  const distinct = new Map(findings.map((each) => [JSON.stringify(each), each]));
  return [...distinct.values()].toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

/** Two lines for each, and one that counts them. */
export function describe(findings: readonly Finding[]): string[] {
  const count = (severity: Severity): number => findings.filter((each) => each.severity === severity).length;
  const [errors, warnings, notes] = [count('error'), count('warning'), count('note')];
  const summary =
    errors + warnings === 0 ? 'nothing is wrong' : `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`;
  return [
    ...findings.flatMap(({ severity, id, about: what, seen, fix }) => [
      `${severity.padEnd(7)} ${id}: ${what}: ${oneLine(seen)}`,
      ...(fix === '' ? [] : [`        fix: ${oneLine(fix)}`]),
    ]),
    notes === 0 ? summary : `${summary}; ${plural(notes, 'note')}`,
  ];
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** It goes to a terminal. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ');
