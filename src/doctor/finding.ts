/** `error`: something will not work; `warning`: it works, and should not stay so; `note`: worth knowing, nothing is wrong. */
export type Severity = 'error' | 'warning' | 'note';

/**
 * Everything that `doctor` can find, and how bad it is. The ids are for scripts and docs/doctor.md, which has
 * these comments; they never change.
 */
export const FINDINGS = {
  /** hpe.conf cannot be used; one finding for each problem, and nothing else is looked at */
  'config-invalid': 'error',
  /** hpe.conf has something without effect, or twice */
  'config-warning': 'warning',
  /** every user may read hpe.conf, and passwords stand in it */
  'config-exposed': 'error',
  /** passwords stand in hpe.conf as text, or encrypted as the old plugin did */
  'password-weak': 'warning',
  /** a managed plugin: `docker_timeout` is longer than dockerd waits unless told otherwise, or too short for all that a Mount may need */
  'docker-timeout': 'note',
  /** a managed plugin whose mounts nobody outside of it sees */
  'mounts-hidden': 'error',
  /** no daemon runs with this state directory */
  'daemon-down': 'warning',
  /** others than root may use the plugin's socket, or replace it in its directory */
  'socket-exposed': 'error',
  /** others than root may look into the state directory */
  'state-dir-exposed': 'error',
  /** the array cannot be reached, or does not answer */
  'array-unreachable': 'error',
  /** its TLS certificate is not the one that is trusted */
  'array-certificate': 'error',
  /** nothing proves its certificate yet */
  'array-certificate-first-contact': 'warning',
  /** `hpe3par_tls_verify = false` */
  'array-certificate-unchecked': 'warning',
  /** its certificate was trusted at first contact, and the metadata that know it cannot be read; no password is sent */
  'array-trust-unknown': 'error',
  /** it refuses user or password of WSAPI */
  'array-login': 'error',
  /** all its WSAPI sessions are in use */
  'array-sessions': 'error',
  /** it answers, and not as an array does */
  'array-answer': 'error',
  /** its OS is too old for WSAPI, or for remote copy over it */
  'array-version': 'error',
  /** it has no licence for Thin Provisioning, or for Remote Copy although the backend replicates */
  'array-licence': 'error',
  /** it has no licence for Virtual Copy */
  'array-licence-snapshots': 'warning',
  /** a CPG that hpe.conf names is not there; the CPGs of both arrays are looked at */
  'array-cpg': 'error',
  /** the CPGs of volumes and of snapshots are in different domains */
  'array-cpg-domain': 'error',
  /** its clock is more than a minute off this host's */
  'array-clock': 'warning',
  /** it has no ready port of the protocol */
  'array-ports': 'error',
  /** a portal of `hpe3par_iscsi_ips` is no ready iSCSI port of it */
  'array-portal': 'warning',
  /** this host gets no connection to a portal */
  'portal-unreachable': 'error',
  /** no HBA of this host sees any of its ports */
  'fc-not-zoned': 'error',
  /** this host's initiators belong to several host entries */
  'array-host-entries': 'error',
  /** it does not answer over SSH, which only schedules of snapshots need */
  'ssh-unreachable': 'warning',
  /** its SSH host key is not the one that is trusted; no password is sent */
  'ssh-host-key': 'error',
  /** nothing proves its SSH host key yet */
  'ssh-host-key-first-contact': 'warning',
  /** it refuses user or password of SSH */
  'ssh-login': 'warning',
  /** both addresses lead to one array */
  'pair-same-array': 'error',
  /** the primary array has no remote copy target `backend_id` */
  'pair-target': 'error',
  /** that target is another array than the secondary of hpe.conf */
  'pair-target-elsewhere': 'error',
  /** no link between the arrays is up */
  'pair-links': 'error',
  /** groups of another mode are started on the target, so that ours will not start beside them */
  'pair-mode': 'warning',
  /** the arrays have another quorum witness than hpe.conf, or none */
  'pair-witness': 'error',
  /** no array is proven to hold the live copy of a group */
  'group-not-proven': 'error',
  /** a group or member is missing on one side, or paired with another one (row 12 of the role table) */
  'group-mismatch': 'error',
  /** the roles of a group are reversed */
  'group-failed-over': 'warning',
  /** a group is not started */
  'group-stopped': 'warning',
  /** members of a group are not synced */
  'group-not-synced': 'warning',
  /** the last sync of a periodic group is older than three periods */
  'group-sync-late': 'warning',
  /** a node is attached to the side that no longer serves the group */
  'stale-copy': 'error',
  /** an array exports a volume to a host that does not use it, on record */
  'export-left': 'warning',
  /** a change of a volume has failed and is not finished */
  'operation-open': 'warning',
  /** a volume is of a backend that hpe.conf does not have */
  'volume-backend': 'error',
  /** the metadata cannot be read */
  'metadata-unreadable': 'error',
  /** there is no etcd: the metadata are on this host alone */
  'metadata-local': 'note',
  /** no member of etcd answers */
  'etcd-unreachable': 'error',
  /** etcd and this host do not agree on TLS, or the files are none */
  'etcd-tls': 'error',
  /** a member of etcd does not answer */
  'etcd-member': 'warning',
  /** a member takes more than 100 ms for a read */
  'etcd-slow': 'warning',
  /** etcd is used without TLS over a network */
  'etcd-plain': 'warning',
  /** this etcd is not the one that this node knew, or was wiped */
  'etcd-stranger': 'error',
  /** this etcd holds no metadata yet */
  'etcd-new': 'note',
  /** a tool that attaching needs is missing */
  'host-tool': 'error',
  /** the tools of xfs are missing */
  'host-tool-xfs': 'note',
  /** nothing can be run through `host_command_prefix` */
  'host-prefix': 'error',
  /** the versions of the tools */
  'host-versions': 'note',
  /** the running kernel has no `dm_multipath`, `iscsi_tcp` or `loop` */
  'host-module': 'error',
  /** this host has no iSCSI name */
  'host-initiator-name': 'error',
  /** iscsid does not run */
  'host-iscsid': 'error',
  /** no Fibre Channel port of this host is online */
  'host-fc-port': 'error',
  /** `secondary_wwn = same`, and the kernel scans Fibre Channel by itself */
  'host-fc-scan': 'warning',
  /** multipathd is not installed, or does not answer */
  'host-multipathd': 'error',
  /** `find_multipaths` keeps new volumes from getting a map */
  'host-find-multipaths': 'error',
  /** multipathd does not know 3PAR volumes */
  'host-multipath-device': 'warning',
  /** a setting for 3PAR volumes is not as HPE says */
  'host-multipath-setting': 'warning',
  /** a volume without a path waits for ever */
  'host-multipath-queue': 'warning',
  /** the blacklist covers 3PAR volumes */
  'host-multipath-blacklist': 'error',
  /** something else about this host, or it could not be looked at */
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
