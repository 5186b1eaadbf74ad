import type { Backend } from '../backend/backend.js';
import { DriverError } from '../domain/errors.js';
import type { GroupTarget } from '../domain/replication.js';

/** `showrcopy groups` shows them by these names. */
const POLICIES = { autoFailover: 'auto_failover', pathManagement: 'path_management', autoRecover: 'auto_recover' };

/**
 * A group fails over by itself exactly when hpe.conf knows the witness: a volume that is mounted from one array only would be
 * cut off by an automatic failover, and one that is mounted from both waits for one in vain. @throws `refused`
 */
export function refuseOtherPolicies(backend: Backend, group: { name: string }, target: GroupTarget): void {
  const { witness } = backend.replication();
  const words = `group ${group.name} does not fit backend ${backend.name}`;
  if (witness === undefined) {
    const on = (['autoFailover', 'pathManagement'] as const).filter((policy) => target[policy]);
    if (on.length === 0) return;
    const names = on.map((policy) => POLICIES[policy]);
    throw new DriverError(
      'refused',
      `${words}: it has ${names.join(' and ')} (peer persistence), and hpe.conf names no quorum_witness_ip`,
      {
        next: `add quorum_witness_ip to replication_device, name another replicationGroup, or type: setrcopygroup pol ${names.map((each) => `no_${each}`).join(',')} ${group.name}`,
      },
    );
  }
  const off = (['autoFailover', 'pathManagement', 'autoRecover'] as const).filter((policy) => !target[policy]);
  if (off.length === 0) return;
  throw new DriverError(
    'refused',
    `${words}: peer persistence (quorum_witness_ip) needs its policies ${off.map((policy) => POLICIES[policy]).join(' and ')}, which are off`,
    {
      next: `type on the primary array: setrcopygroup pol ${Object.values(POLICIES).join(',')} ${group.name}; or name another replicationGroup`,
    },
  );
}

/** The witness of hpe.conf has to be the one that the arrays ask, or nothing would fail over. @throws `refused` */
export async function checkWitness(backend: Backend, signal: AbortSignal): Promise<void> {
  const { witness, target } = backend.replication();
  if (witness === undefined) return;
  const array = backend.array('primary');
  const found = await array.remoteCopy.findWitness(target, signal);
  if (found?.toLowerCase() === witness.toLowerCase()) return;
  throw new DriverError(
    'refused',
    `hpe.conf names the quorum witness ${witness}, but ${array.label} has ${found ?? 'none'} for its remote copy target ${target}; nothing was changed`,
    {
      next: `see it on the array with: showrcopy -qw targets; then set it up there (setrcopytarget witness), or correct quorum_witness_ip`,
    },
  );
}
