import { randomBytes } from 'node:crypto';
import { open, stat, truncate } from 'node:fs/promises';
import { stateOf } from '../../simulator-state.js';
import { expect, expectEqual } from '../inside/checks.js';
import { run as runTool } from '../inside/command.js';
import type { Site } from '../inside/site.js';
import type { Scenario } from './scenario.js';

const VOLUME = 'db';
const MIB = 1 << 20;
const SIZE = 1024 * MIB;

export const contents: Scenario = {
  name: 'contents',
  title: '20 things that a new LUN may hold: no mkfs but on the blank one',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 15 * 60_000,
  run,
};

type Fill = (file: string) => Promise<unknown>;
const bytes =
  (at: number, data: string | Buffer): Fill =>
  async (file) => {
    const handle = await open(file, 'r+');
    await handle.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, 0, undefined, at);
    await handle.close();
  };
const tool =
  (name: string, ...args: string[]): Fill =>
  async (file) =>
    runTool(name, [...args, file]);

/** Made by the tools themselves where the guest has them, else the signature where it belongs. */
const CONTENTS: Record<string, Fill> = {
  ext4: tool('mkfs.ext4', '-q', '-F'),
  ext2: tool('mkfs.ext2', '-q', '-F'),
  xfs: tool('mkfs.xfs', '-q'),
  swap: tool('mkswap', '-q'),
  'an ext4 whose superblock is damaged': bytes(1024 + 56, Buffer.from([0x53, 0xef])),
  'an xfs signature': bytes(0, 'XFSB'),
  btrfs: bytes(65_536 + 64, '_BHRfS_M'),
  NTFS: bytes(3, 'NTFS    '),
  'ISO 9660': bytes(32_768, '\x01CD001\x01'),
  LUKS: bytes(0, 'LUKS\xba\xbe\x00\x01'),
  LVM: bytes(512, 'LABELONE'),
  'MD RAID': bytes(4096, Buffer.from('fc4e2ba901000000', 'hex')),
  'a GPT': bytes(512, 'EFI PART'),
  'an MBR': bytes(510, Buffer.from([0x55, 0xaa])),
  'random data': bytes(0, randomBytes(MIB)),
  'random data at the end': bytes(SIZE - MIB, randomBytes(MIB)),
  'one byte at the start': bytes(0, 'x'),
  'one byte at 4 MiB - 1': bytes(4 * MIB - 1, 'x'),
  'one byte 4 MiB before the end': bytes(SIZE - 4 * MIB, 'x'),
  'one byte at the end': bytes(SIZE - 1, 'x'),
};

async function run(site: Site): Promise<void> {
  const { plugin, step } = site;
  expectEqual(await plugin.create(VOLUME, { backend: 'plain', size: '1' }), '', 'create');
  const file = await dataFileOf(site);
  for (const [what, fill] of Object.entries(CONTENTS)) {
    await step(`refused: ${what}`, async () => {
      await truncate(file, 0);
      await truncate(file, SIZE);
      await fill(file);
      const before = await lastChange(file);
      const answer = await plugin.mount(VOLUME).then(
        () => 'mounted',
        (error: unknown) => String(error),
      );
      expect(/not blank|already holds|holds/.test(answer), `Mount answered: ${answer}`);
      expect((await lastChange(file)) === before, 'something was written to the LUN');
    });
  }
  await step('the blank one is formatted and mounted', async () => {
    await truncate(file, 0);
    await truncate(file, SIZE);
    await plugin.mount(VOLUME);
    expectEqual(await plugin.unmount(VOLUME), '', 'unmount');
    expectEqual((await runTool('blkid', ['-p', '-s', 'TYPE', '-o', 'value', file])).trim(), 'ext4', 'file system');
  });
  expectEqual(await plugin.remove(VOLUME), '', 'remove');
}

/** Where the simulator keeps the volume's data; nobody has it open while it is not exported. */
async function dataFileOf({ plugin, control }: Site): Promise<string> {
  const name = (await plugin.status(VOLUME))['arrayVolume'];
  const [volume] = (await stateOf(control)).arrays.flatMap(({ volumes }) =>
    volumes.filter((each) => each.name === name),
  );
  if (volume === undefined) throw new Error(`no array has the volume ${String(name)}`);
  return volume.dataFile;
}

const lastChange = async (file: string): Promise<bigint> => (await stat(file, { bigint: true })).mtimeNs;
