import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ReadyPair } from '../../pair-client.js';
import { connectSoon } from '../unix-socket.js';
import { eventually, LOGS, startDaemon } from './command.js';
import { docker } from './docker.js';
import { arrayWwpn, fcLink, hbaWwpn } from './fibre-channel.js';
import { ARRAY_ADDRESSES, arrayNamespace, nodeAddress, portal, sanLink } from './network.js';

/** Everything of the simulated arrays. */
const PAIR_DIR = '/var/lab/pair';
/** What the share has of the project. */
export const APP = '/host/app/lib';
const CONTAINERD = '/run/containerd/containerd.sock';
const START_MS = 180_000;
const TOOLS = ['sh', 'cat', 'dd', 'ls', 'md5sum', 'sleep', 'sync', 'rm', 'mkdir', 'wc', 'tail'];

export async function startEtcd(): Promise<void> {
  const urls = `http://127.0.0.1:2379,http://${nodeAddress(1)}:2379`;
  const addresses = ['--listen-client-urls', urls, '--advertise-client-urls', urls];
  startDaemon('etcd', ['etcd', '--data-dir', '/var/lib/etcd', ...addresses]);
  await eventually(async () => {
    const answer = await fetch('http://127.0.0.1:2379/health');
    if (!answer.ok) throw new Error(`etcd: ${await answer.text()}`);
  });
}

/**
 * A Docker engine without networks, and with crun, which starts a container in half of runc's time. containerd is started by
 * itself: dockerd waits only 15 s for one of its own, and a busy machine takes longer.
 */
export async function startDockerd(): Promise<void> {
  startDaemon('containerd', ['containerd']);
  (await connectSoon(CONTAINERD, AbortSignal.timeout(START_MS))).destroy();
  const nothing = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const runtime = ['--add-runtime', 'crun=/usr/bin/crun', '--default-runtime=crun', '--containerd', CONTAINERD];
  startDaemon('dockerd', ['dockerd', ...nothing, '--storage-driver=overlay2', ...runtime]);
  await eventually(docker.ping, 180_000);
  const bin = '/tmp/image/bin';
  mkdirSync(bin, { recursive: true });
  copyFileSync('/usr/bin/busybox', path.join(bin, 'busybox'));
  for (const tool of TOOLS) symlinkSync('busybox', path.join(bin, tool));
  await docker.importImage('/tmp/image');
}

/** Two arrays with two iSCSI and two Fibre Channel ports each, which are kernel targets of this guest. */
export async function startSimulator(): Promise<ReadyPair> {
  mkdirSync('/var/lab', { recursive: true });
  writeFileSync('/var/lab/seed.json', JSON.stringify({ maxSessions: 10_000, arrays: [1, 2].map(seedOf) }));
  const options = ['--dir', PAIR_DIR, '--fabric', 'lio', '--seed', '/var/lab/seed.json'];
  const addresses = ['--addresses', ARRAY_ADDRESSES.join(',')];
  startDaemon('simulator', ['node', `${APP}/simulator.mjs`, 'pair', ...options, ...addresses]);
  return eventually(() => {
    const [line = ''] = readFileSync(path.join(LOGS, 'simulator.log'), 'utf8').split('\n');
    if (!line.startsWith('{')) throw new Error(`the simulator is not ready: ${line}`);
    return JSON.parse(line) as ReadyPair;
  });
}

function seedOf(array: number): object {
  const position = (slot: number, side: number): object => ({ node: side - 1, slot, cardPort: 1 });
  return {
    ports: [
      ...[1, 2].map((fabric) => ({
        kind: 'fc',
        pos: position(1, fabric),
        wwn: arrayWwpn(array, fabric),
        zone: [hbaWwpn(fabric)],
        link: fcLink(array, fabric),
      })),
      ...[1, 2].map((san) => ({
        kind: 'iscsi',
        pos: position(2, san),
        ip: portal(array, san),
        netns: arrayNamespace(array),
        link: sanLink(san),
      })),
      { kind: 'rcip', pos: position(3, 1), ip: `10.20.${array}.11` },
    ],
  };
}
