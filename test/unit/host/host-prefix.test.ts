import { describe, expect, it } from '@jest/globals';
import { withHostPrefix } from '../../../src/host/host-prefix.js';
import { run, type Run } from '../../../src/host/run.js';

const options = { timeoutMs: 5000 };

describe('the prefix of host tools', () => {
  const ran: string[] = [];
  const recorder: Run = async (command, args) => {
    ran.push([command, ...args].join(' '));
    return { stdout: '', stderr: '' };
  };

  it('stands before the tools of the host, and not before those of the daemon', async () => {
    const prefixed = withHostPrefix(recorder, ['nsenter', '--mount=/proc/1/ns/mnt', '--']);
    const host = ['iscsiadm', 'multipath', 'multipathd', 'blkid', 'mkfs.ext4', 'mkfs.xfs', 'debugfs', 'udevadm', 'cat'];
    const own = 'mount umount losetup dd blockdev chown chmod stat sync resize2fs xfs_growfs'.split(' ');
    for (const tool of [...host, ...own]) await prefixed(tool, ['-x'], options);
    expect(ran.splice(0)).toEqual([
      ...host.map((tool) => `nsenter --mount=/proc/1/ns/mnt -- ${tool} -x`),
      ...own.map((tool) => `${tool} -x`),
    ]);
  });

  it('says that the host is out of reach when the prefix itself fails, and does not blame the tool', async () => {
    const prefixed = withHostPrefix(run, ['nsenter', '--mount=/proc/no-such-process/ns/mnt', '--']);
    const failure = prefixed('cat', ['/etc/iscsi/initiatorname.iscsi'], options);
    await expect(failure).rejects.toMatchObject({
      message: expect.stringMatching(/^the tools of this host are out of reach: nsenter: .*ns\/mnt.*: No such file/),
      next: expect.stringContaining('CAP_SYS_PTRACE'),
    });
  });

  it('changes nothing when there is none', () => {
    expect(withHostPrefix(run, [])).toBe(run);
  });

  it('passes input and output on, and stands in what an error says', async () => {
    const prefixed = withHostPrefix(run, ['env', '--']);
    expect(await prefixed('cat', [], { ...options, input: 'in' })).toEqual({ stdout: 'in', stderr: '' });
    await expect(prefixed('sh', ['-c', 'echo no >&2; exit 3'], options)).rejects.toMatchObject({
      exitCode: 3,
      message: 'env -- sh -c echo no >&2; exit 3: exit code 3: no',
    });
    await expect(prefixed('no-such-tool', [], options)).rejects.toMatchObject({
      message: expect.stringMatching(/^env -- no-such-tool: exit code 127: .*No such file/),
    });
  });
});
