import { describe, expect, it } from '@jest/globals';
import type { Filesystems, HostConnector } from '../../../src/contracts/host.js';
import type { BlockDevice } from '../../../src/domain/attachment.js';
import type { DriverContext } from '../../../src/driver/context.js';
import { LocalRelease } from '../../../src/driver/local-release.js';
import type { LocalUsers } from '../../../src/driver/local-users.js';

const WWN = '60002ac0000000000000000100000001';
const recorded = { path: '/dev/mapper/mpatha', wwn: WWN, sizeBytes: 1 };
const mount = { backend: 'b', wwn: WWN, device: recorded, mountpoint: '/mnt/v' };

/** A host where the volume is found under that path, and perhaps mounted from the path on record. */
function release(at: { foundAs: string | undefined; isMounted: boolean }): LocalRelease {
  const found: BlockDevice | undefined = at.foundAs === undefined ? undefined : { ...recorded, path: at.foundAs };
  const connector: Partial<HostConnector> = { find: async () => Promise.resolve(found) };
  const entry = { device: '253:0', root: '/', target: '/mnt/v', fsType: 'ext4', source: recorded.path };
  const filesystems: Partial<Filesystems> = {
    mounts: async () => Promise.resolve(at.isMounted ? [entry] : []),
    usersElsewhere: async (device) => Promise.resolve([{ pid: 7, target: device.path }]),
  };
  const ctx = { filesystems, backends: { get: () => undefined }, connector: () => connector };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return new LocalRelease(ctx as unknown as DriverContext, {} as unknown as LocalUsers);
}

const usersOf = async (at: Parameters<typeof release>[0]): Promise<string[]> =>
  (await release(at).usersOf(mount, AbortSignal.timeout(1000))).map(({ target }) => target);

describe('who uses a device of ours', () => {
  it('a mounted volume whose map has another name by now is not taken for unused', async () => {
    expect(await usersOf({ foundAs: `/dev/mapper/3${WWN}`, isMounted: true })).toEqual([recorded.path]);
  });

  it('nor is one that is mounted, and not found', async () => {
    expect(await usersOf({ foundAs: undefined, isMounted: true })).toEqual([recorded.path]);
  });

  it('a name on record that nothing is mounted from says nothing after a reboot', async () => {
    expect(await usersOf({ foundAs: `/dev/mapper/3${WWN}`, isMounted: false })).toEqual([]);
  });
});
