import { describe, expect, it } from '@jest/globals';
import type { BlockDevice } from '../../../src/domain/attachment.js';
import { DriverError } from '../../../src/domain/errors.js';
import { listLoopDevices } from '../../../src/host/loop-device.js';
import { parseMountinfo } from '../../../src/host/mountinfo.js';
import { probeDevice } from '../../../src/host/probe.js';
import { CommandError, run, type Run } from '../../../src/host/run.js';

const MIB = 1024 * 1024;
const signal = AbortSignal.timeout(60_000);

describe('run', () => {
  it('gives the output back, byte by byte where asked, and passes the input on', async () => {
    expect(await run('cat', [], { timeoutMs: 5000, input: 'héllo' })).toEqual({ stdout: 'héllo', stderr: '' });
    const chunks: Buffer[] = [];
    const onStdout = (chunk: Buffer): unknown => chunks.push(chunk);
    expect(await run('printf', ['\\377\\000a'], { timeoutMs: 5000, onStdout })).toEqual({ stdout: '', stderr: '' });
    expect(Buffer.concat(chunks).toString('hex')).toBe('ff0061');
  });

  it('knows no shell', async () => {
    expect((await run('echo', ['$HOME;', '`id`'], { timeoutMs: 5000 })).stdout).toBe('$HOME; `id`\n');
  });

  it('names the command, the exit code and the first lines of what it said', async () => {
    const failing = run('sh', ['-c', 'echo out; printf "a\\n\\nb\\nc\\nd\\n" >&2; exit 8'], { timeoutMs: 5000 });
    await expect(failing).rejects.toMatchObject({
      code: 'unavailable',
      exitCode: 8,
      stdout: 'out\n',
      message: expect.stringMatching(/^sh -c .*: exit code 8: a \| b \| c$/s),
    });
    await expect(failing).rejects.toBeInstanceOf(DriverError);
  });

  it('says so when there is no such command', async () => {
    await expect(run('no-such-tool', ['-x'], { timeoutMs: 5000 })).rejects.toMatchObject({
      message: expect.stringMatching(/no-such-tool -x: could not be run .*ENOENT/),
      exitCode: undefined,
    });
  });

  it('kills what does not end in time, even when it ignores signals', async () => {
    const began = performance.now();
    const stuck = run('sh', ['-c', 'trap "" TERM INT HUP; echo $$; while :; do sleep 0.05; done'], { timeoutMs: 300 });
    const error: unknown = await stuck.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'unknown-outcome',
      message: expect.stringContaining('timed out after 300 ms'),
    });
    expect(performance.now() - began).toBeLessThan(3000);
    const pid = Number(error instanceof CommandError ? error.stdout : Number.NaN);
    await expectGone(pid);
  });

  it('kills what the command started, too', async () => {
    const error: unknown = await run('sh', ['-c', 'sleep 20 & echo $!; wait'], { timeoutMs: 300 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'unknown-outcome', stdout: expect.stringMatching(/^\d+\n$/) });
    await expectGone(Number(error instanceof CommandError ? error.stdout : Number.NaN));
  });

  it('is cut off by its signal, and does not even start when that has fired', async () => {
    const controller = new AbortController();
    const cut = run('sleep', ['20'], { timeoutMs: 5000, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(cut).rejects.toMatchObject({ code: 'unknown-outcome', message: expect.stringContaining('gave up') });
    await expect(run('echo', [], { timeoutMs: 5000, signal: controller.signal })).rejects.toThrow('not started');
  });
});

describe('rule 24: after the process stood still', () => {
  it('a tool is not started when a deadline has passed meanwhile, although its timer has had no turn yet', async () => {
    const lost = new AbortController();
    setTimeout(() => lost.abort(), 20);
    // As after SIGSTOP: the timer is overdue, and what came in meanwhile goes on first.
    const until = performance.now() + 60;
    while (performance.now() < until);
    await expect(run('echo', [], { timeoutMs: 5000, signal: lost.signal })).rejects.toThrow('not started');
  });
});

describe('the list of loop devices', () => {
  const going = '{"loopdevices":[{"name":"/dev/loop998","back-ino":null,"back-maj:min":null}]}';

  it('is asked for again when somebody frees a device at that moment', async () => {
    const answers = [going, '{"loopdevices":[{"name":"/dev/loop999","back-ino":7,"back-maj:min":"     254:0  "}]}'];
    const tool: Run = async () => ({ stdout: answers.shift() ?? '', stderr: '' });
    expect(await listLoopDevices(tool, signal)).toMatchObject([{ path: '/dev/loop999', inode: 7, device: '254:0' }]);
  });

  it('is not taken for complete while it says nothing of a device', async () => {
    const tool: Run = async () => ({ stdout: going, stderr: '' });
    await expect(listLoopDevices(tool, signal)).rejects.toThrow('cannot be understood');
  });
});

describe('mountinfo', () => {
  it('reads escapes, optional fields and roots', () => {
    const text = [
      '22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw',
      '90 28 7:3 /sub/dir /mnt/a\\040b\\134c rw,relatime - ext4 /dev/loop3 rw,data=ordered',
      '91 28 253:0 / /m rw shared:1 master:2 propagate_from:3 - ext4 /dev/mapper/360002ac rw',
      '',
    ].join('\n');
    expect(parseMountinfo(text)).toEqual([
      { id: 22, parentId: 28, device: '0:20', root: '/', target: '/sys', fsType: 'sysfs', source: 'sysfs', shared: 7 },
      {
        id: 90,
        parentId: 28,
        device: '7:3',
        root: '/sub/dir',
        target: '/mnt/a b\\c',
        fsType: 'ext4',
        source: '/dev/loop3',
      },
      {
        id: 91,
        parentId: 28,
        device: '253:0',
        root: '/',
        target: '/m',
        fsType: 'ext4',
        source: '/dev/mapper/360002ac',
        shared: 1,
        master: 2,
        propagateFrom: 3,
      },
    ]);
  });

  it('never skips a line that it does not understand', () => {
    expect(() => parseMountinfo('22 28 0:20 / /sys rw shared:7\n')).toThrow('cannot be understood');
  });
});

interface Tools {
  size?: string;
  /** blkid: its output, or how it ended. */
  blkid?: string | { exitCode?: number; stdout?: string; stderr?: string; reason?: string };
  /** What dd reads, from first to last. */
  reads?: (string | { exitCode?: number; stderr?: string; reason?: string })[];
}

const DEVICE: BlockDevice = { path: '/dev/sdz', wwn: '60002ac0000000000000000a0001e240', sizeBytes: 64 * MIB };
const ZERO = '\0'.repeat(4 * MIB);
const nothing = { exitCode: 2 };

/** Linux tools that answer as told. */
function toolsOf({ size = String(64 * MIB), blkid = nothing, reads = [ZERO, ZERO] }: Tools): {
  run: Run;
  ran: string[][];
} {
  const ran: string[][] = [];
  const left = [...reads];
  const answers: Record<string, () => Tools['blkid']> = {
    blockdev: () => size,
    blkid: () => blkid,
    dd: () => left.shift(),
  };
  const fake: Run = async (command, args, { onStdout }) => {
    ran.push([command, ...args]);
    const answer = answers[command]?.();
    if (typeof answer === 'string') {
      onStdout?.(Buffer.from(answer, 'latin1'));
      return Promise.resolve({ stdout: onStdout === undefined ? answer : '', stderr: '' });
    }
    throw new CommandError({ command, args, exitCode: undefined, stdout: '', stderr: '', ...answer });
  };
  return { run: fake, ran };
}

const probe = async (tools: Tools, device = DEVICE): Promise<unknown> =>
  probeDevice(toolsOf(tools).run, device, signal);

describe('probe', () => {
  it('calls a device blank when blkid finds nothing and both ends are zero', async () => {
    const { run: fake, ran } = toolsOf({});
    expect(await probeDevice(fake, DEVICE, signal)).toEqual({ content: 'blank' });
    const reads = ran.filter(([command]) => command === 'dd').map((argv) => argv.slice(1));
    expect(reads).toEqual([
      expect.arrayContaining([
        'if=/dev/sdz',
        'iflag=direct,fullblock,skip_bytes,count_bytes',
        'skip=0',
        `count=${4 * MIB}`,
      ]),
      expect.arrayContaining([`skip=${60 * MIB}`, `count=${4 * MIB}`]),
    ]);
  });

  it('reads a small device as a whole', async () => {
    const small = { ...DEVICE, sizeBytes: 6 * MIB };
    const reads = ['\0'.repeat(6 * MIB)];
    expect(await probe({ size: String(6 * MIB), reads }, small)).toEqual({ content: 'blank' });
    expect(await probe({ size: String(6 * MIB), reads: [`${'\0'.repeat(6 * MIB - 1)}x`] }, small)).toMatchObject({
      content: 'other',
    });
  });

  it.each([
    ['TYPE=ext4\nUSAGE=filesystem\nUUID=u-1\n', { content: 'filesystem', type: 'ext4', uuid: 'u-1' }],
    ['TYPE=xfs\nUSAGE=filesystem\n', { content: 'filesystem', type: 'xfs', uuid: undefined }],
    ['TYPE=LVM2_member\nUSAGE=raid\nUUID=u\n', { content: 'other', what: 'LVM2_member' }],
    ['TYPE=crypto_LUKS\nUSAGE=crypto\n', { content: 'other', what: 'crypto_LUKS' }],
    ['PTTYPE=gpt\nPTUUID=u\n', { content: 'other', what: 'a gpt partition table' }],
    ['DEVNAME=/dev/sdz\n', { content: 'other', what: 'a signature without a type' }],
    ['', { content: 'other', what: 'a signature without a type' }],
    [{ exitCode: 8 }, { content: 'other', what: 'signatures of several kinds at once' }],
  ])('takes %j of blkid for what it is', async (blkid, expected) => {
    expect(await probe({ blkid })).toEqual(expected);
  });

  it('calls data that nobody knows by its name, at either end', async () => {
    const dirty = `${'\0'.repeat(4 * MIB - 1)}\u00ff`;
    expect(await probe({ reads: [dirty, ZERO] })).toEqual({
      content: 'other',
      what: 'data without any known signature',
    });
    expect(await probe({ reads: [ZERO, dirty] })).toEqual({
      content: 'other',
      what: 'data without any known signature',
    });
  });

  it.each<[string, Tools]>([
    ['blkid that fails', { blkid: { exitCode: 4 } }],
    [
      'blkid that cannot open the device',
      { blkid: { exitCode: 2, stderr: 'blkid: error: /dev/sdz: Input/output error' } },
    ],
    ['blkid that was killed', { blkid: { reason: 'timed out after 20000 ms and was killed' } }],
    ['a read error', { reads: [{ exitCode: 1, stderr: "dd: error reading '/dev/sdz': Input/output error" }] }],
    ['a short read', { reads: [ZERO.slice(512), ZERO] }],
    ['a short read at the end', { reads: [ZERO, ZERO.slice(512)] }],
    ['an empty read', { reads: ['', ZERO] }],
    ['a read that hangs', { reads: [{ reason: 'timed out after 20000 ms and was killed' }] }],
    [
      'a read error below a known signature',
      { blkid: 'TYPE=ext4\nUSAGE=filesystem\n', reads: [ZERO, { exitCode: 1 }] },
    ],
    ['another size', { size: String(32 * MIB) }],
    ['no size', { size: '' }],
  ])('throws for %s', async (_what, tools) => {
    await expect(probe(tools)).rejects.toBeInstanceOf(DriverError);
  });
});

async function expectGone(pid: number): Promise<void> {
  for (let i = 0; i < 100 && isAlive(pid); i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isAlive(pid)).toBe(false);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
