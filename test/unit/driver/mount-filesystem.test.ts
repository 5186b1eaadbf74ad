import { describe, expect, it } from '@jest/globals';
import type { Filesystems, NewUuid, Probe } from '../../../src/contracts/host.js';
import type { Write } from '../../../src/contracts/store.js';
import type { DriverContext } from '../../../src/driver/context.js';
import { filesystemStep } from '../../../src/driver/mount-filesystem.js';
import type { MountPlan } from '../../../src/driver/plan-mount.js';
import type { FilesystemRecord, Origin } from '../../../src/domain/volume.js';
import { aVolume } from '../../contract/store-records.js';

const OLD = '7f1c2f0a-5f0e-4f5b-9a35-0c8a8f5f2d11';
const clone: Origin = { kind: 'clone', of: 'web', ofId: 'w', side: 'primary' };
const snapshot: Origin = { kind: 'snapshot', of: 'web', ofId: 'w', side: 'primary' };
const imported: Origin = { kind: 'import', formerName: 'oracle_01', formerComment: '' };
const xfs = (uuid = OLD): Probe => ({ content: 'filesystem', type: 'xfs', uuid });

interface Case {
  known: FilesystemRecord;
  origin?: Origin | undefined;
  holds: Probe | Error;
  /** The new uuid cannot be written. */
  failing?: boolean;
}

/** A first mount of data that came from elsewhere: what was recorded, which uuids were written, and whether mkfs ran. */
async function mountOf({ known, origin, holds, failing }: Case) {
  const happened: string[] = [];
  const records: FilesystemRecord[] = [];
  const device = { path: '/dev/loop9', wwn: 'w', sizeBytes: 1 };
  const filesystems: Partial<Filesystems> = {
    probe: async () => (holds instanceof Error ? Promise.reject(holds) : Promise.resolve(holds)),
    make: async () => Promise.resolve(void happened.push('mkfs')),
    renewUuid: async (_device, { from, to }: NewUuid) => {
      happened.push(`${from} → ${to}`);
      if (failing === true) throw new Error('killed');
      return Promise.resolve();
    },
  };
  const volume = aVolume('copy', { filesystem: known, ...(origin === undefined ? {} : { origin }) });
  const plan = { volume, side: 'primary', mountpoint: '/mnt/copy' } as unknown as MountPlan;
  const record = async (writes: Write[]): Promise<void> => {
    for (const write of writes) {
      if (!('put' in write) || write.put !== 'volume') continue;
      happened.push(write.value.filesystem.state);
      records.push(write.value.filesystem);
    }
    return Promise.resolve();
  };
  const step = filesystemStep({ filesystems } as unknown as DriverContext, volume);
  let error = '';
  await step
    .do?.({ plan, facts: { device }, signal: AbortSignal.timeout(1000), record })
    .catch((thrown: unknown) => void (error = String(thrown)));
  return { happened, records, error };
}

describe('the step that proves or makes the file system', () => {
  it.each<[string, FilesystemRecord]>([
    ['never formatted', { state: 'never' }],
    ['inherited', { state: 'inherited' }],
    ['renewing', { state: 'renewing', type: 'xfs', from: OLD, to: OLD }],
    ['formatting', { state: 'formatting', type: 'xfs', uuid: OLD, side: 'primary', epoch: 0, wwn: 'w' }],
  ])('has a record before it while that is %s', (_what, filesystem) => {
    expect(filesystemStep({} as DriverContext, aVolume('v', { filesystem })).onlyLooks).toBe(false);
  });

  it('only looks when the file system is on record', () => {
    const filesystem = { state: 'formatted', type: 'xfs', uuid: OLD } as const;
    expect(filesystemStep({} as DriverContext, aVolume('v', { filesystem })).onlyLooks).toBe(true);
  });
});

describe('the first mount of data that came from elsewhere', () => {
  it.each([clone, snapshot])('of a $kind: a new uuid is on record before it is written', async (origin) => {
    const known = { state: 'inherited', type: 'xfs', uuid: OLD } as const;
    const { happened, records } = await mountOf({ known, origin, holds: xfs() });
    const [renewing, formatted] = records;
    expect(renewing).toEqual({
      state: 'renewing',
      type: 'xfs',
      from: OLD,
      to: expect.stringMatching(/^[\da-f-]{36}$/),
    });
    const to = renewing?.state === 'renewing' ? renewing.to : '';
    expect(happened).toEqual(['renewing', `${OLD} → ${to}`, 'formatted']);
    expect(formatted).toEqual({ state: 'formatted', type: 'xfs', uuid: to });
  });

  it.each([
    ['the old', OLD],
    ['the new', 'n'],
  ])('that was cut short, with %s uuid on it, goes on with the same one', async (_which, uuid) => {
    const known = { state: 'renewing', type: 'xfs', from: OLD, to: 'n' } as const;
    const { happened, records } = await mountOf({ known, origin: clone, holds: xfs(uuid) });
    expect(happened).toEqual(['renewing', `${OLD} → n`, 'formatted']);
    expect(records.at(-1)).toEqual({ state: 'formatted', type: 'xfs', uuid: 'n' });
  });

  it('whose new uuid could not be written is not recorded as done', async () => {
    const { records, error } = await mountOf({
      known: { state: 'inherited' },
      origin: clone,
      holds: xfs(),
      failing: true,
    });
    expect(error).toContain('killed');
    expect(records.map(({ state }) => state)).toEqual(['renewing']);
  });

  it.each([imported, undefined])('that was imported, or of unknown origin: it keeps its uuid', async (origin) => {
    const { happened, records } = await mountOf({ known: { state: 'inherited' }, origin, holds: xfs() });
    expect(happened).toEqual(['formatted']);
    expect(records).toEqual([{ state: 'formatted', type: 'xfs', uuid: OLD }]);
  });

  const others: [string, Probe | Error, RegExp][] = [
    ['blank', { content: 'blank' }, /should be xfs with uuid 7f.* holds nothing: the device is blank.*nor formatted/],
    ['LVM', { content: 'other', what: 'LVM2_member' }, /holds LVM2_member/],
    ['another type', { content: 'filesystem', type: 'ext4', uuid: OLD }, /holds ext4 with uuid 7f/],
    ['another uuid', xfs('other'), /holds xfs with uuid other/],
    ['no uuid', { content: 'filesystem', type: 'xfs', uuid: undefined }, /holds xfs with uuid none/],
    ['unreadable', new Error('EIO'), /EIO/],
  ];
  it.each(others)('rule 18: %s is refused, and neither formatted nor written to', async (_what, holds, message) => {
    for (const known of [
      { state: 'inherited', type: 'xfs', uuid: OLD } as const,
      { state: 'renewing', type: 'xfs', from: OLD, to: 'n' } as const,
    ]) {
      const { happened, error } = await mountOf({ known, origin: clone, holds });
      expect(error).toMatch(message);
      expect(happened).toEqual([]);
    }
  });

  it.each([
    ['blank', { content: 'blank' }],
    ['a file system that the plugin does not make', { content: 'filesystem', type: 'btrfs', uuid: OLD }],
  ] as [string, Probe][])('rule 18: an import of %s is refused', async (_what, holds) => {
    const { happened, error } = await mountOf({ known: { state: 'inherited' }, origin: imported, holds });
    expect(error).toMatch(/came from oracle_01, should be ext4 or xfs, but .* holds (nothing|btrfs)/);
    expect(happened).toEqual([]);
  });

  it('rule 18: a record that says both "never formatted" and "from elsewhere" is refused', async () => {
    const { happened, error } = await mountOf({
      known: { state: 'never' },
      origin: imported,
      holds: { content: 'blank' },
    });
    expect(error).toContain('it is not formatted');
    expect(happened).toEqual([]);
  });
});
