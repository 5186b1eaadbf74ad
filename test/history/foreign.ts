import { execFile } from 'node:child_process';
import { appendFile, mkdir, open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { SimulatedArray } from '../../src/simulator/array.js';
import { createHost } from '../../src/simulator/hosts.js';
import { admitVolume } from '../../src/simulator/membership.js';
import type { RunningPair } from '../../src/simulator/pair.js';
import { createGroup, modifyGroup } from '../../src/simulator/remote-copy.js';
import { startGroup } from '../../src/simulator/replication.js';
import { createVlun } from '../../src/simulator/vluns.js';
import { createData } from '../../src/simulator/volume-data.js';

const execute = promisify(execFile);
const SIZE_MIB = 64;
const CONTENT = 'somebody else put this here';

/** Things of other people, on both arrays and on the host: what no verb may ever touch. */
export class Foreign {
  readonly #dir: string;
  readonly #arrays: readonly [SimulatedArray, SimulatedArray];
  #device = '';

  private constructor(dir: string, arrays: readonly [SimulatedArray, SimulatedArray]) {
    this.#dir = dir;
    this.#arrays = arrays;
  }

  /** `dir` may not be one in which the daemons' things are looked for. */
  static async place({ pair, arrays }: RunningPair, dir: string): Promise<Foreign> {
    await pair.exclusive(async () => {
      for (const [index, array] of arrays.entries()) await placeOnArray(array, index);
      await placeGroup({ pair, arrays });
    });
    const foreign = new Foreign(dir, arrays);
    await foreign.#placeOnHost();
    return foreign;
  }

  /** Data, loop device and mount in words, the same as long as nobody touches them. */
  async outline(): Promise<string[]> {
    const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
    const lines = mountinfo.split('\n').filter((line) => line.includes(` ${this.#mountpoint} `));
    const loop = path.basename(this.#device);
    lines.push(`${loop}: ${(await readFile(`/sys/block/${loop}/loop/backing_file`, 'utf8')).trim()}`);
    lines.push(await readFile(path.join(this.#mountpoint, 'file'), 'utf8'));
    for (const array of this.#arrays) {
      for (const name of ['foreign', 'foreign-member']) {
        const file = array.dataFile({ name });
        const { size } = await stat(file);
        lines.push(`${array.name} ${name}: ${size} bytes, ${await startOf(file)}`);
      }
    }
    return lines;
  }

  async remove(): Promise<void> {
    await execute('umount', [this.#mountpoint]);
    await execute('losetup', ['--detach', this.#device]);
  }

  get #mountpoint(): string {
    return path.join(this.#dir, 'mounted');
  }

  async #placeOnHost(): Promise<void> {
    const file = path.join(this.#dir, 'disk');
    await mkdir(this.#mountpoint, { recursive: true });
    await createData(file, SIZE_MIB);
    await execute('mkfs.ext4', ['-q', file]);
    this.#device = (await execute('losetup', ['--find', '--show', file])).stdout.trim();
    await execute('mount', [this.#device, this.#mountpoint]);
    await appendFile(path.join(this.#mountpoint, 'file'), CONTENT, { flush: true });
  }
}

async function placeOnArray(array: SimulatedArray, index: number): Promise<void> {
  await addVolume(array, 'foreign');
  createHost(array, {
    name: 'foreign-host',
    domain: undefined,
    persona: 2,
    descriptors: {},
    wwns: [],
    iqns: [`iqn.2001-01.example:foreign-${index}`],
  });
  const wanted = { lun: 7, hostname: 'foreign-host', pos: undefined, autoLun: false, maxAutoLun: 0 };
  createVlun(array, { volumeName: 'foreign', ...wanted });
}

async function addVolume(array: SimulatedArray, name: string): Promise<void> {
  const [cpg, snapCpg] = array.cpgs;
  if (cpg === undefined || snapCpg === undefined) throw new Error(`${array.name} has no two CPGs`);
  const shape = { sizeMiB: SIZE_MIB, provisioning: 'tpvv' as const, compression: false, domain: undefined };
  const volume = array.addVolume({ name, ...shape, cpg: cpg.name, snapCpg: snapCpg.name, comment: 'not yours' });
  await createData(array.dataFile(volume), SIZE_MIB);
  const data = await open(array.dataFile(volume), 'r+');
  await data.write(CONTENT);
  await data.close();
}

/** A group that replicates, and goes on by itself after an outage. */
async function placeGroup({ pair, arrays: [first, second] }: Pick<RunningPair, 'pair' | 'arrays'>): Promise<void> {
  const [cpg, snapCpg] = first.cpgs.map(({ name }) => name);
  const [remoteCpg, remoteSnapCpg] = second.cpgs.map(({ name }) => name);
  createGroup(pair, first, {
    name: 'foreign',
    domain: undefined,
    targetName: first.targetName,
    mode: 1,
    localUserCpg: cpg,
    localSnapCpg: snapCpg,
    remoteUserCpg: remoteCpg,
    remoteSnapCpg,
  });
  modifyGroup(pair, first, { name: 'foreign', change: { policies: { autoRecover: true } } });
  await addVolume(first, 'foreign-member');
  await admitVolume(pair, first, {
    group: 'foreign',
    volume: 'foreign-member',
    secondaryVolume: 'foreign-member',
    volumeAutoCreation: true,
    differentSecondaryWwn: true,
    skipInitialSync: false,
  });
  await startGroup(pair, first, { name: 'foreign', skipInitialSync: false });
}

async function startOf(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(CONTENT.length), 0, CONTENT.length, 0);
    return buffer.toString();
  } finally {
    await handle.close();
  }
}
