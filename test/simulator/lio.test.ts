import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SimulatedArray } from '../../src/simulator/array.js';
import { ArrayPair } from '../../src/simulator/array-pair.js';
import { failover, recover, switchover } from '../../src/simulator/disaster-recovery.js';
import { growVolume } from '../../src/simulator/grow.js';
import { changePaths, createHost, removeChap, setChap } from '../../src/simulator/hosts.js';
import { LioFabric } from '../../src/simulator/lio.js';
import { planTargetRemoval } from '../../src/simulator/lio-sweep.js';
import { admitVolume } from '../../src/simulator/membership.js';
import { setCable, setPower } from '../../src/simulator/outage.js';
import { createGroup, modifyGroup } from '../../src/simulator/remote-copy.js';
import { setSyncHold, startGroup, stopGroup } from '../../src/simulator/replication.js';
import { parseSeed } from '../../src/simulator/seed.js';
import { Sessions } from '../../src/simulator/sessions.js';
import { createSnapshot } from '../../src/simulator/snapshots.js';
import { createVlun, removeVlun } from '../../src/simulator/vluns.js';
import { createVolume, deleteVolume, modifyVolume } from '../../src/simulator/volumes.js';
import { FakeConfigfs } from './fake-configfs.js';

const NODE = 'iqn.1993-08.org.debian:01:node1';
const PORT_A = 'iscsi/iqn.2000-05.com.3pardata:20210002ac00b69e';
const PORT_B = 'iscsi/iqn.2000-05.com.3pardata:20210002ac00b69f';
const FC = 'fc/20:00:00:02:ac:00:01:01';

const iscsi = (ip: string, netns: string) => ({
  kind: 'iscsi',
  pos: { node: 0, slot: 2, cardPort: 1 },
  ip,
  netns,
  link: 'eth0',
});
const SEED = {
  arrays: [
    {
      ports: [
        iscsi('10.1.1.2', 'array1'),
        {
          kind: 'fc',
          pos: { node: 0, slot: 1, cardPort: 1 },
          wwn: '20000002ac000101',
          link: 'ft11',
          zone: ['200000109b000001'],
        },
      ],
    },
    { ports: [iscsi('10.2.1.2', 'array2')] },
  ],
};

let dir: string;
let kernel: FakeConfigfs;
let pair: ArrayPair;
let a: SimulatedArray;
let b: SimulatedArray;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sim-lio-'));
  kernel = new FakeConfigfs();
  const seed = parseSeed(SEED);
  const make = (index: 0 | 1) => {
    const sessions = new Sessions({ max: 4, idleSeconds: 60 });
    return new SimulatedArray(seed.arrays[index], { dir, os: '3.3.1', licenses: seed.licenses, sessions });
  };
  const arrays = [make(0), make(1)] as const;
  [a, b] = arrays;
  for (const array of arrays) await mkdir(array.volumesDir, { recursive: true });
  pair = new ArrayPair(arrays, { seed, fabric: new LioFabric(arrays, '/nowhere', kernel.run) });
});
afterEach(async () => rm(dir, { recursive: true }));

/** The kernel's steps for the change. */
async function change(work: () => unknown): Promise<string[]> {
  kernel.take();
  await pair.exclusive(async () => {
    await work();
  });
  return kernel.take();
}

const addHost = (array: SimulatedArray) =>
  createHost(array, { name: 'node1', domain: undefined, persona: 2, descriptors: {}, wwns: [], iqns: [NODE] });

const volumeShape = {
  cpg: 'cpg-a',
  snapCpg: 'cpg-a-snap',
  sizeMiB: 256,
  tpvv: true,
  tdvv: false,
  compression: false,
  comment: '',
};
const addVolume = (name: string) => createVolume(a, { ...volumeShape, name });

const exportTo = (array: SimulatedArray, lun: number, volumeName = 'vol1') =>
  createVlun(array, { volumeName, lun, hostname: 'node1', pos: undefined, autoLun: false, maxAutoLun: 0 });

const unexport = (array: SimulatedArray, lun: number, volume = 'vol1') =>
  removeVlun(array, { volume, lun, host: 'node1', pos: undefined });

async function replicate(options: { pathManagement: boolean; differentSecondaryWwn?: boolean }): Promise<void> {
  const group = { localUserCpg: 'cpg-a', localSnapCpg: 'cpg-a-snap', remoteUserCpg: 'cpg-b', remoteSnapCpg: 'cpg-b' };
  createGroup(pair, a, { name: 'g1', domain: undefined, targetName: 'sim-b-rc', mode: 1, ...group });
  modifyGroup(pair, a, { name: 'g1', change: { policies: { pathManagement: options.pathManagement } } });
  const { differentSecondaryWwn = false } = options;
  const flags = { volumeAutoCreation: true, differentSecondaryWwn, skipInitialSync: false };
  await admitVolume(pair, a, { group: 'g1', volume: 'vol1', secondaryVolume: 'vol1', ...flags });
  await startGroup(pair, a, { name: 'g1', skipInitialSync: false });
}

const inode = async (array: SimulatedArray) => (await stat(array.dataFile({ name: 'vol1' }))).ino;
const deviceOf = (array: SimulatedArray) =>
  `core/fileio_${array.systemId}/volume-${array.volumes.get('vol1')?.id ?? 0}`;
const lunsOf = (target: string) =>
  [...kernel.dirs].filter((path) => path.startsWith(`${target}/tpgt_1/acls/`) && /lun_\d+$/.test(path));

describe('ports', () => {
  it('are targets of their own from the start, with a portal in their namespace, and come up last', async () => {
    const steps = await change(() => undefined);
    expect(steps).toContain(`mkdir ${PORT_A}/tpgt_1/np/10.1.1.2:3260 in array1`);
    expect(steps).toContain(`mkdir ${PORT_B}/tpgt_1/np/10.2.1.2:3260 in array2`);
    expect(steps).toContain(`write ${PORT_A}/tpgt_1/attrib/generate_node_acls 0`);
    expect(steps.slice(-5)).toEqual([
      `write ${PORT_A}/tpgt_1/enable 1`,
      `write ${PORT_B}/tpgt_1/enable 1`,
      'array1 eth0 up',
      'host ft11 up',
      'array2 eth0 up',
    ]);
    expect(await change(() => undefined)).toEqual([]);
  });

  it('of Fibre Channel admit their zone before a host has the name, and nobody else after', async () => {
    const steps = await change(() => undefined);
    const acls = () => [...kernel.dirs].filter((path) => path.startsWith(`${FC}/tpgt_1/acls/`));
    expect(acls()).toEqual([`${FC}/tpgt_1/acls/20:00:00:10:9b:00:00:01`]);
    expect(steps.indexOf('host ft11 down')).toBeLessThan(steps.indexOf(`mkdir ${FC}`));
    expect(steps.indexOf('host ft11 up')).toBeGreaterThan(steps.indexOf(`mkdir ${acls()[0]}`));
    const wwns = ['200000109B000001', '200000109B000002'];
    await change(async () => {
      createHost(a, { name: 'node1', domain: undefined, persona: 2, descriptors: {}, wwns, iqns: [] });
      await addVolume('vol1');
      exportTo(a, 3);
    });
    expect(acls()).toEqual([
      `${FC}/tpgt_1/acls/20:00:00:10:9b:00:00:01`,
      `${FC}/tpgt_1/acls/20:00:00:10:9b:00:00:01/lun_3`,
    ]);
  });

  it('lose their interface first when power goes, and get it back last; the LUNs stay', async () => {
    await change(async () => {
      addHost(a);
      await addVolume('vol1');
      exportTo(a, 0);
    });
    expect(await change(() => setPower(pair, a, false))).toEqual([
      'array1 eth0 down',
      'host ft11 down',
      `write ${PORT_A}/tpgt_1/enable 0`,
    ]);
    expect(lunsOf(PORT_A)).toHaveLength(1);
    expect(await change(() => setPower(pair, a, true))).toEqual([
      `write ${PORT_A}/tpgt_1/enable 1`,
      'array1 eth0 up',
      'host ft11 up',
    ]);
  });

  it('have a cable that can be pulled, with the sessions as they are', async () => {
    await change(() => undefined);
    expect(await change(() => setCable(a, '0:2:1', false))).toEqual(['array1 eth0 down']);
    expect(await change(() => setCable(a, '0:2:1', true))).toEqual(['array1 eth0 up']);
    expect(() => setCable(a, '0:3:1', false)).toThrow('no host port');
  });
});

describe('initiators', () => {
  it('log in with CHAP once their host has it, beside others without', async () => {
    const acl = `${PORT_A}/tpgt_1/acls/${NODE}`;
    await change(() => undefined);
    expect(await change(() => addHost(a))).toEqual([`mkdir ${acl}`, `write ${acl}/attrib/authentication 0`]);
    expect(await change(() => setChap(a, 'node1', { name: 'user1', secret: 'twelve-chars' }))).toEqual([
      `write ${acl}/auth/userid user1`,
      `write ${acl}/auth/password twelve-chars`,
      `write ${acl}/attrib/authentication 1`,
    ]);
    expect(await change(() => removeChap(a, 'node1'))).toEqual([`write ${acl}/attrib/authentication 0`]);
  });

  it('are thrown out when their host loses them', async () => {
    await change(() => addHost(a));
    const steps = await change(() =>
      changePaths(a, 'node1', { operation: 'remove', force: false, wwns: [], iqns: [NODE] }),
    );
    expect(steps).toEqual([`rmdir ${PORT_A}/tpgt_1/acls/${NODE}`]);
  });
});

describe('LUNs', () => {
  it('grow in place', async () => {
    await change(() => exportTo(a, 0));
    const control = `${deviceOf(a)}/control`;
    expect(await change(() => growVolume(a, { name: 'vol1', byMiB: 256 }))).toEqual([
      `write ${control} fd_dev_size=${512 * 2 ** 20}`,
    ]);
    expect(await change(() => undefined)).toEqual([]);
    await change(() => unexport(a, 0));
    const again = await change(() => exportTo(a, 0));
    expect(again.filter((step) => step.includes(control))).toHaveLength(1);
    expect(again.join('\n')).toContain(`fd_dev_size=${512 * 2 ** 20}`);
  });

  it('of read-only snapshots are write-protected', async () => {
    const times = { expirationHours: undefined, retentionHours: undefined };
    await createSnapshot(pair, a, { of: 'vol1', name: 'snap', comment: '', readOnly: true, ...times });
    const steps = await change(() => {
      exportTo(a, 0);
      exportTo(a, 1, 'snap');
    });
    expect(steps.filter((step) => step.includes('write_protect'))).toEqual([
      `write ${PORT_A}/tpgt_1/acls/${NODE}/lun_1/write_protect 1`,
    ]);
  });

  beforeEach(async () => {
    await change(async () => {
      for (const array of [a, b]) addHost(array);
      await addVolume('vol1');
    });
  });

  it('are a device with the WWN of the volume, for the initiator only, and go without a trace', async () => {
    const before = [...kernel.dirs];
    const steps = await change(() => exportTo(a, 5));
    const device = deviceOf(a);
    const serial = a.getVolume('vol1').wwn.toLowerCase().slice(7);
    expect(steps).toContain(
      `write ${device}/control fd_dev_name=${dir}/sim-a/volumes/vol1,fd_dev_size=268435456,fd_buffered_io=1`,
    );
    for (const line of ['company_id 0x0002ac', `vpd_unit_serial ${serial}`, 'vendor_id 3PARdata', 'product_id VV']) {
      expect(steps).toContain(`write ${device}/wwn/${line}`);
    }
    expect(lunsOf(PORT_A)).toEqual([`${PORT_A}/tpgt_1/acls/${NODE}/lun_5`]);
    expect((await change(() => unexport(a, 5)))[0]).toBe(`unlink ${PORT_A}/tpgt_1/acls/${NODE}/lun_5/slot`);
    expect([...kernel.dirs]).toEqual([...before, `core/fileio_${a.systemId}`]);
    await change(() => deleteVolume(a, 'vol1'));
  });

  it('give their number to another volume in one step', async () => {
    await change(async () => {
      await addVolume('vol2');
      exportTo(a, 5);
    });
    await change(() => {
      unexport(a, 5);
      exportTo(a, 5, 'vol2');
    });
    const slot = kernel.links.get(`${PORT_A}/tpgt_1/acls/${NODE}/lun_5/slot`) ?? '';
    expect(slot).toMatch(new RegExp(`lun_${a.getVolume('vol2').id}$`));
  });

  it('keep their device when the volume gets another name', async () => {
    await change(() => exportTo(a, 5));
    const renamed = { newName: 'vol2', comment: undefined };
    expect(await change(() => modifyVolume(a, 'vol1', renamed))).toEqual([]);
  });

  it('a step that the kernel refuses is reported, and tried again', async () => {
    const device = deviceOf(a);
    kernel.refuse = `write ${device}/enable 1`;
    await expect(change(() => exportTo(a, 5))).rejects.toThrow('refused');
    expect(kernel.dirs.has(device)).toBe(false);
    await change(() => undefined);
    expect(lunsOf(PORT_A)).toHaveLength(1);
  });
});

describe('replication', () => {
  beforeEach(async () => {
    await change(async () => {
      for (const array of [a, b]) addHost(array);
      await addVolume('vol1');
    });
  });

  it('a stale primary shows its own data until recover, which makes a new device of the copy', async () => {
    await change(async () => {
      await replicate({ pathManagement: false });
      exportTo(a, 0);
      exportTo(b, 1);
    });
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([1, 0]);
    await change(async () => {
      await stopGroup(pair, a, 'g1');
      failover(b, { name: 'g1.r46750' });
    });
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([1, 1]);
    await writeFile(b.dataFile({ name: 'vol1' }), 'newer', { flag: 'r+' });
    await change(() => recover(pair, b, { name: 'g1.r46750' }));
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([0, 1]);
    expect(await inode(a)).not.toBe(await inode(b));
    expect((await readFile(a.dataFile({ name: 'vol1' }))).subarray(0, 5).toString()).toBe('newer');
  });

  it('a device is made anew when its data file is another one', async () => {
    await change(() => exportTo(a, 0));
    const file = a.dataFile({ name: 'vol1' });
    const steps = await change(async () => {
      await writeFile(`${file}.new`, 'x');
      await rename(`${file}.new`, file);
    });
    const device = deviceOf(a);
    expect(steps.filter((step) => step.endsWith(` ${device}`) || step.startsWith('mkdir'))).toEqual([
      `rmdir ${device}`,
      `mkdir ${device}`,
      `mkdir ${device}/alua/array`,
      expect.stringMatching(/^mkdir .*\/lun\/lun_/),
      `symlink ${[...kernel.links].find(([, to]) => to === device)?.[0]} ${device}`,
      `mkdir ${PORT_A}/tpgt_1/acls/${NODE}/lun_0`,
    ]);
  });

  it('a Peer Persistence pair is one file, shown by both arrays, and its roles move in place', async () => {
    await change(async () => {
      await replicate({ pathManagement: true });
      exportTo(a, 0);
      exportTo(b, 1);
    });
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([1, 1]);
    expect(await inode(a)).toBe(await inode(b));
    const [onA, onB] = [`${deviceOf(a)}/alua/array`, `${deviceOf(b)}/alua/array`];
    expect(kernel.dirs).toContain(onA);
    expect(await change(() => switchover(pair, a, { name: 'g1' }))).toEqual([
      `write ${onA}/alua_access_state 2`,
      `write ${onB}/alua_access_state 0`,
    ]);
    expect(await inode(a)).toBe(await inode(b));
    await change(() => stopGroup(pair, b, 'g1.r46750'));
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([0, 1]);
    expect(await inode(a)).not.toBe(await inode(b));
  });

  it('volumes with different WWNs are no pair', async () => {
    await change(async () => {
      await replicate({ pathManagement: true, differentSecondaryWwn: true });
      exportTo(a, 0);
      exportTo(b, 1);
    });
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([1, 0]);
  });

  it('a pair that is not synced yet is shown by its primary only', async () => {
    pair.syncHold = true;
    await change(async () => {
      await replicate({ pathManagement: true });
      exportTo(a, 0);
      exportTo(b, 1);
    });
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([1, 0]);
    expect(await inode(a)).not.toBe(await inode(b));
    await change(() => setSyncHold(pair, false));
    expect([lunsOf(PORT_A), lunsOf(PORT_B)].map((luns) => luns.length)).toEqual([1, 1]);
    expect(await inode(a)).toBe(await inode(b));
  });

  it('port groups of the two arrays have different numbers', async () => {
    const steps = await change(async () => {
      await replicate({ pathManagement: true });
      exportTo(a, 0);
      exportTo(b, 1);
    });
    expect(steps.filter((step) => /tg_pt_gp_id|alua_access_state/.test(step))).toEqual([
      `write ${deviceOf(a)}/alua/array/tg_pt_gp_id 1`,
      `write ${deviceOf(a)}/alua/array/alua_access_state 0`,
      `write ${deviceOf(b)}/alua/array/tg_pt_gp_id 2`,
      `write ${deviceOf(b)}/alua/array/alua_access_state 2`,
      `write ${deviceOf(a)}/alua/array/alua_access_state 0`,
      `write ${deviceOf(b)}/alua/array/alua_access_state 2`,
    ]);
  });
});

describe('what a killed predecessor left', () => {
  it('is taken down from the mapped LUN to the target, nothing else', async () => {
    const group = join(dir, PORT_A, 'tpgt_1');
    for (const path of [`acls/${NODE}/lun_5`, 'lun/lun_2', 'np/10.1.1.2:3260']) {
      await mkdir(join(group, path), { recursive: true });
    }
    await mkdir(join(dir, 'iscsi/iqn.2020-01.test:other/tpgt_1'), { recursive: true });
    await symlink('/nowhere', join(group, `acls/${NODE}/lun_5/slot`));
    await symlink('/nowhere', join(group, 'lun/lun_2/device'));
    await writeFile(join(group, 'enable'), '1');
    const steps = await planTargetRemoval(dir, PORT_A);
    expect(steps.map((step) => `${step.do} ${'path' in step ? step.path.slice(PORT_A.length) : ''}`)).toEqual([
      'write /tpgt_1/enable',
      `unlink /tpgt_1/acls/${NODE}/lun_5/slot`,
      `rmdir /tpgt_1/acls/${NODE}/lun_5`,
      `rmdir /tpgt_1/acls/${NODE}`,
      'unlink /tpgt_1/lun/lun_2/device',
      'rmdir /tpgt_1/lun/lun_2',
      'rmdir /tpgt_1/np/10.1.1.2:3260',
      'rmdir /tpgt_1',
      'rmdir ',
    ]);
    expect(await planTargetRemoval(dir, 'fc/20:00:00:00:00:00:00:01')).toEqual([]);
  });
});
