import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'ssh2';
import { SimulatedArray } from '../../src/simulator/array.js';
import { ArrayPair } from '../../src/simulator/array-pair.js';
import { LinkFabric } from '../../src/simulator/fabric.js';
import { createHost } from '../../src/simulator/hosts.js';
import { admitVolume } from '../../src/simulator/membership.js';
import { createGroup, modifyGroup } from '../../src/simulator/remote-copy.js';
import { startGroup } from '../../src/simulator/replication.js';
import { parseSeed } from '../../src/simulator/seed.js';
import { Sessions } from '../../src/simulator/sessions.js';
import { startSshServer } from '../../src/simulator/ssh.js';
import { createVlun } from '../../src/simulator/vluns.js';
import { createVolume } from '../../src/simulator/volumes.js';
import { connect, exec } from './ssh-client.js';
import type { Login } from './ssh-client.js';

export const user = '3paradm';
export const password = 'not-a-secret';
export const peerGroup = 'RCG1.r46750';

/** Two arrays with an SSH server each, and nothing else: what is on them is made through the model. */
export async function startArrays() {
  const dir = await mkdtemp(join(tmpdir(), 'sim-cli-'));
  const seed = parseSeed({});
  const make = async (index: 0 | 1) => {
    const sessions = new Sessions({ max: 4, idleSeconds: 60 });
    const array = new SimulatedArray(seed.arrays[index], { dir, os: '3.3.1', licenses: seed.licenses, sessions });
    await mkdir(array.volumesDir, { recursive: true });
    return array;
  };
  const [a, b] = [await make(0), await make(1)];
  const pair = new ArrayPair([a, b], { witness: '10.30.0.10', seed, fabric: new LinkFabric(undefined) });
  const serve = (array: SimulatedArray) =>
    startSshServer({
      pair,
      array,
      address: '127.0.0.1',
      port: 0,
      hostKeyFile: join(dir, `${array.name}.key`),
      user,
      password,
    });
  const [sshA, sshB] = [await serve(a), await serve(b)];
  const operator = new Operator(loginTo(sshA.port), loginTo(sshB.port));
  const close = async () => {
    operator.close();
    await Promise.all([sshA.close(), sshB.close(), pair.close()]);
    await rm(dir, { recursive: true });
  };
  return { dir, pair, a, b, sshA, sshB, serve, operator, close };
}

function loginTo(port: number): Login {
  return { host: '127.0.0.1', port, username: user, password };
}

/** Types commands on both arrays, over one connection each that is made at the first command. */
export class Operator {
  readonly loginA: Login;
  readonly loginB: Login;
  readonly #clients = new Map<Login, Client>();

  constructor(loginA: Login, loginB: Login) {
    this.loginA = loginA;
    this.loginB = loginB;
  }

  async client(to: Login = this.loginA): Promise<Client> {
    const known = this.#clients.get(to);
    if (known !== undefined) return known;
    const client = await connect(to);
    this.#clients.set(to, client);
    client.on('close', () => this.#clients.delete(to));
    return client;
  }

  onA = async (command: string) => exec(await this.client(), command);
  onB = async (command: string) => exec(await this.client(this.loginB), command);
  csvOnA = async (command: string) => (await this.onA(`setclienv csvtable 1; ${command}`)).output;
  csvOnB = async (command: string) => (await this.onB(`setclienv csvtable 1; ${command}`)).output;

  close(): void {
    for (const client of this.#clients.values()) client.end();
  }
}

export type Arrays = Awaited<ReturnType<typeof startArrays>>;

/** Group RCG1 with the started, synced member `vol1` (0.5 GiB), which is exported to host `node1` on LUN 3. */
export async function makeReplicatedVolume({ pair, a }: Arrays, mode: 1 | 2 = 1): Promise<void> {
  const cpgs = { localUserCpg: 'cpg-a', localSnapCpg: 'cpg-a', remoteUserCpg: 'cpg-b', remoteSnapCpg: 'cpg-b' };
  await createVolume(a, {
    name: 'vol1',
    cpg: 'cpg-a',
    snapCpg: 'cpg-a',
    sizeMiB: 512,
    tpvv: true,
    tdvv: false,
    compression: false,
    comment: '',
  });
  createGroup(pair, a, { name: 'RCG1', domain: undefined, targetName: a.targetName, mode, ...cpgs });
  if (mode === 2) modifyGroup(pair, a, { name: 'RCG1', change: { syncPeriod: 300, policies: { autoRecover: true } } });
  await admitVolume(pair, a, {
    group: 'RCG1',
    volume: 'vol1',
    secondaryVolume: 'vol1',
    volumeAutoCreation: true,
    differentSecondaryWwn: false,
    skipInitialSync: false,
  });
  await startGroup(pair, a, { name: 'RCG1', skipInitialSync: false });
  createHost(a, {
    name: 'node1',
    domain: undefined,
    persona: 2,
    descriptors: {},
    wwns: [],
    iqns: ['iqn.1993-08.org.debian:01:node1'],
  });
  createVlun(a, { volumeName: 'vol1', lun: 3, hostname: 'node1', pos: undefined, autoLun: false, maxAutoLun: 0 });
}
