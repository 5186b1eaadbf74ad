import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { eventually, run, startDaemon } from './command.js';
import { endAfter } from './command-line.js';
import { becomeNode, listenAddress } from './network.js';
import { deviceMounts, multipathMaps } from './san.js';
import { APP } from './services.js';

const NODE = 2;
/** What the copied machine has of the first one's arrays and metadata; kernel targets stay, out of everybody's reach. */
const FIRST_NODES_PROGRAMS = ['simulator.mjs', 'etcd'];

// Makes this machine, a copy of the first one, another host at the first one's arrays.
await endAfter(async () => {
  await dropStorage();
  for (const program of FIRST_NODES_PROGRAMS) for (const pid of pidsOf(program)) process.kill(pid, 'SIGKILL');
  await becomeNode(NODE);
  writeFileSync('/proc/sys/kernel/hostname', `node${NODE}`);
  writeFileSync('/etc/iscsi/initiatorname.iscsi', `InitiatorName=iqn.1993-08.org.debian:01:node${NODE}\n`);
  startDaemon('iscsid', ['iscsid', '--foreground']);
  startDaemon('agent', ['node', `${APP}/agent.mjs`, listenAddress(NODE)]);
});

/** Sessions and mounts that the first node had when the machine was saved. */
async function dropStorage(): Promise<void> {
  for (const mount of deviceMounts()) await run('umount', [mount.split(' ')[1] ?? '']);
  for (const { wwid } of multipathMaps()) await eventually(async () => run('multipath', ['-f', wwid]), 10_000);
  // It fails when there is no session.
  await run('iscsiadm', ['-m', 'node', '--logoutall=all']).catch(() => undefined);
  rmSync('/etc/iscsi/nodes', { recursive: true, force: true });
  await run('iscsiadm', ['-k', '0']);
}

/** Processes with an argument that ends so. */
function pidsOf(word: string): number[] {
  const commandLine = (pid: string): string[] => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch {
      return [];
    }
  };
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) =>
      commandLine(pid)
        .slice(0, 2)
        .some((each) => each.endsWith(word)),
    )
    .map(Number);
}
