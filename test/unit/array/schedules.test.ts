import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { linesOf } from '../../../src/array/cli.js';
import { hostKeysOf } from '../../../src/array/known-hosts.js';
import type { SshSettings } from '../../../src/array/settings.js';
import { connectArray } from '../../../src/array/three-par.js';
import type { Schedules } from '../../../src/contracts/snapshots.js';
import type { ScheduledSnapshots } from '../../../src/domain/schedule.js';
import {
  failureOf,
  memoryPins,
  NO_SSH,
  PASSWORD,
  recordingLogger,
  settingsFor,
  soon,
  VOLUME_NAME,
} from './array-settings.js';
import { isHeld, startDeafProxy, startTinyCli, type Answer, type TinyCli } from './tiny-cli.js';

const WANTED: ScheduledSnapshots = {
  name: 'daily',
  frequency: '10 2 * * *',
  prefix: 'pqr',
  of: VOLUME_NAME,
  expirationHours: 5,
  retentionHours: 3,
};
const TASK = `createsv -f -exp 5h -retain 3h pqr.@y@@m@@d@@H@@M@@S@ ${VOLUME_NAME}`;
const CREATE = `createsched "${TASK}" "10 2 * * *" daily`;
const NONE = 'No scheduled tasks \n';
const row = (task: string, cells = '10,2,*,*,*'): string =>
  `-----Schedule-----\nSchedName,File/Command,Min,Hour,DOM,Month,DOW,CreatedBy,Status,Alert,NextRunTime\ndaily,${task},${cells},3paradm,active,Y,soon\n1 total\n`;

let cli: TinyCli;
let dir: string;
/** What the array has, and how it answers the next commands. */
let onArray: string | undefined;
let faults: Record<string, 'not done' | 'breaks' | 'done, breaks' | 'hangs' | { output: string }>;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-cli-'));
  onArray = undefined;
  faults = {};
  cli = await startTinyCli((command): Answer => {
    const verb = command.split(' ')[0] ?? '';
    const fault = faults[verb];
    if (typeof fault === 'object') return fault;
    if (fault === 'hangs' || fault === 'breaks') return fault;
    if (fault !== 'not done' && verb === 'createsched') onArray = /"(.*?)"/.exec(command)?.[1];
    if (fault !== 'not done' && verb === 'removesched') onArray = undefined;
    if (fault === 'done, breaks') return 'breaks';
    if (verb === 'showsched') return { output: onArray === undefined ? NONE : row(onArray) };
    return { output: '' };
  });
});
afterEach(async () => {
  cli.close();
  await rm(dir, { recursive: true, force: true });
});

function connected(ssh: Partial<SshSettings> = {}): {
  schedules: Schedules;
  log: () => string;
  pins: Map<string, string>;
} {
  const { logger, text } = recordingLogger();
  const pins = memoryPins();
  const settings: SshSettings = {
    ...NO_SSH,
    port: cli.port,
    hostKeyCheck: 'pin',
    ...ssh,
  };
  const array = connectArray(settingsFor('https://array.test:8080/api/v1', { ssh: settings }), { pins, logger });
  return { schedules: array.schedules, log: text, pins: pins.saved };
}

describe('schedules over SSH', () => {
  it('are made, found and removed, each by one command that the array sees as it is', async () => {
    const { schedules } = connected();
    await schedules.ensure(WANTED, soon());
    expect(await schedules.find('daily', soon())).toEqual({ command: TASK, frequency: '10 2 * * *' });
    await schedules.ensure(WANTED, soon());
    await schedules.remove(WANTED, soon());
    await schedules.remove(WANTED, soon());
    expect(cli.commands.filter((each) => !each.startsWith('showsched'))).toEqual([CREATE, 'removesched -f daily']);
  });

  it.each(['0,"0,12",*,*,1-5', '0,0,12,*,*,1-5'])('with a list of hours are known again as %s', async (cells) => {
    const { schedules } = connected();
    const often = { ...WANTED, frequency: '0 0,12 * * 1-5' };
    onArray = TASK;
    faults['showsched'] = { output: row(TASK, cells) };
    await schedules.ensure(often, soon());
    expect((await failureOf(schedules.ensure(WANTED, soon()))).code).toBe('exists');
    expect(cli.commands.every((each) => each.startsWith('showsched'))).toBe(true);
  });

  it('have no life of their own unless asked for', async () => {
    const { expirationHours: _exp, retentionHours: _ret, ...plain } = WANTED;
    await connected().schedules.ensure(plain, soon());
    expect(onArray).toBe(`createsv -f pqr.@y@@m@@d@@H@@M@@S@ ${VOLUME_NAME}`);
  });

  it('of another volume or life are neither taken for ours nor removed, nor are those at another time taken for ours', async () => {
    const { schedules } = connected();
    for (const other of [TASK.replace('dcv-A', 'dcv-B'), TASK.replace('-exp 5h', '-exp 6h')]) {
      onArray = other;
      expect((await failureOf(schedules.ensure(WANTED, soon()))).code).toBe('exists');
      await schedules.remove(WANTED, soon());
      expect(onArray).toBe(other);
    }
    expect(cli.commands.every((each) => each.startsWith('showsched'))).toBe(true);
    faults['showsched'] = { output: row(TASK, '10,3,*,*,*') };
    expect((await failureOf(schedules.ensure(WANTED, soon()))).message).toContain('10 3 * * *');
  });

  it.each([
    ['ensure', 'createsched', 'done, breaks', undefined],
    ['ensure', 'createsched', 'breaks', 'unknown-outcome'],
    ['ensure', 'createsched', 'not done', 'unavailable'],
    ['remove', 'removesched', 'done, breaks', undefined],
    ['remove', 'removesched', 'breaks', 'unknown-outcome'],
    ['remove', 'removesched', 'not done', 'unavailable'],
    ['ensure', 'showsched', 'breaks', 'unavailable'],
  ] as const)('rule 39: %s when %s is %s ends by what is on the array', async (verb, command, fault, code) => {
    const { schedules } = connected();
    if (verb === 'remove') onArray = TASK;
    faults[command] = fault;
    const work = schedules[verb](WANTED, soon());
    if (code === undefined) await work;
    else expect((await failureOf(work)).code).toBe(code);
    expect(cli.commands.filter((each) => each.startsWith(command)).length).toBe(1);
  });

  it('tell what the array printed', async () => {
    faults['createsched'] = { output: 'The schedule format is <minute> <hour> <dom> <month> <dow> or by @hourly\n' };
    expect((await failureOf(connected().schedules.ensure(WANTED, soon()))).message).toContain(
      'with: The schedule format is',
    );
    faults['showsched'] = { output: 'Error: permission denied\n' };
    expect((await failureOf(connected().schedules.find('daily', soon()))).message).toContain('permission denied');
    faults['showsched'] = { output: 'something else\n' };
    expect((await failureOf(connected().schedules.find('daily', soon()))).message).toContain('cannot be understood');
  });

  it('end with the time of the caller', async () => {
    faults['createsched'] = 'hangs';
    const failure = await failureOf(connected().schedules.ensure(WANTED, soon(1_500)));
    expect(failure.code).toBe('unknown-outcome');
    expect(failure.message).not.toContain(PASSWORD);
  });

  it.each([
    ['name', 'a; removevv -f all'],
    ['name', 'a\nremovevv -f all'],
    ['prefix', 'p" "'],
    ['of', 'x y'],
    ['frequency', '* * * * * "; x'],
  ])('never carry a second command in their %s', async (member, value) => {
    const failure = await failureOf(connected().schedules.ensure({ ...WANTED, [member]: value }, soon()));
    expect(failure.code).toBe('internal');
    expect(cli.commands.filter((each) => !each.startsWith('showsched daily'))).toEqual([]);
  });
});

describe('the connection of a command', () => {
  it.each(['answers', 'hangs'] as const)(
    'is gone soon after, also when the array %s and never closes it',
    async (what) => {
      const proxy = await startDeafProxy(cli.port);
      try {
        const { schedules } = connected({ port: proxy.port });
        if (what === 'hangs') faults['showsched'] = 'hangs';
        const found = schedules.find('daily', soon(1_000));
        if (what === 'hangs') expect((await failureOf(found)).code).toBe('unavailable');
        else expect(await found).toBeUndefined();
        const [port = 0] = proxy.clients;
        const until = performance.now() + 4_000;
        while ((await isHeld(port)) && performance.now() < until) await pause(50);
        expect(await isHeld(port)).toBe(false);
      } finally {
        proxy.close();
      }
    },
  );

  it('that the array ends right after the login is told with what to do, and nothing was sent', async () => {
    cli.hangsUp = true;
    const failure = await failureOf(connected().schedules.find('daily', soon()));
    expect(failure).toMatchObject({ code: 'unavailable', next: expect.stringContaining('showuserconn') });
    expect(failure.message).toMatch(/opened no shell, before "showsched daily" was sent/);
    expect(cli.commands).toEqual([]);
  });
});

describe('the host key of an array', () => {
  const file = async (text: string): Promise<string> => {
    const name = path.join(dir, 'known_hosts');
    await writeFile(name, text);
    return name;
  };
  const other = `ecdsa-sha2-nistp256 ${Buffer.from('another key').toString('base64')}`;

  it('of the first contact is kept, and another one later gets no password', async () => {
    const { schedules, pins, log } = connected();
    await schedules.find('daily', soon());
    const peer = `ssh:127.0.0.1:${cli.port}`;
    expect(pins.get(peer)).toBe(cli.fingerprint);
    expect(log()).toContain('first contact with primary array (ssh');
    const offered = cli.passwords.length;
    pins.set(peer, 'SHA256:other');
    const failure = await failureOf(schedules.find('daily', soon()));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain('may be somebody else');
    expect(cli.passwords.length).toBe(offered);
  });

  it.each(['pin', 'strict'] as const)('has to be the one in the file (%s)', async (hostKeyCheck) => {
    const good = await file(`[127.0.0.1]:${cli.port} ${cli.hostKey}\n`);
    const { schedules, pins } = connected({ hostKeyCheck, hostKeysFile: good });
    expect(await schedules.find('daily', soon())).toBeUndefined();
    expect(pins.size).toBe(0);
    await file(`[127.0.0.1]:${cli.port} ${other}\n`);
    expect((await failureOf(schedules.find('daily', soon()))).message).toContain('not in');
    await file(`@revoked [127.0.0.1]:${cli.port} ${cli.hostKey}\n`);
    expect((await failureOf(schedules.find('daily', soon()))).message).toContain('revoked');
  });

  it('that stands nowhere is refused by a strict check', async () => {
    const hostKeysFile = await file('');
    expect(
      (await failureOf(connected({ hostKeyCheck: 'strict', hostKeysFile }).schedules.find('daily', soon()))).code,
    ).toBe('unavailable');
    expect(cli.passwords).toEqual([]);
    const gone = connected({ hostKeyCheck: 'strict', hostKeysFile: path.join(dir, 'gone') });
    expect((await failureOf(gone.schedules.find('daily', soon()))).message).toContain('cannot be read');
  });

  it('is found under plain, hashed and wild names, and nobody else’s', () => {
    const salt = Buffer.from('01234567890123456789');
    const hash = createHmac('sha1', salt).update('[array.test]:2222').digest('base64');
    const text = [
      '# array.test ssh-rsa COMMENT',
      'other.test,array.test ssh-rsa PLAIN',
      `|1|${salt.toString('base64')}|${hash} ssh-rsa HASHED`,
      '*.test,!array.test ssh-rsa WILD',
      'array.tes? ssh-ed25519 MARK',
      '@cert-authority array.test ssh-rsa AUTHORITY',
      'array.test ssh-rsa',
    ].join('\n');
    const found = (host: string, port: number): string[] => hostKeysOf(text, host, port).map((each) => each.base64);
    expect(found('array.test', 22)).toEqual(['PLAIN', 'MARK']);
    expect(found('array.test', 2222)).toEqual(['HASHED']);
    expect(found('x.test', 22)).toEqual(['WILD']);
    expect(found('arrayxtest', 22)).toEqual([]);
  });
});

describe('what an interactive shell prints', () => {
  it('is cut between the prompts, whatever was echoed before', () => {
    const text =
      'setclienv csvtable 1\r\nshow x\r\nexit\r\nA cli% setclienv csvtable 1\r\nA cli% show x\r\na,b\r\n\r\nc\r\nA cli% exit\r\n';
    expect(linesOf(text, 'show x')).toEqual(['a,b', 'c']);
    expect(linesOf(text.replace('A cli% exit', ''), 'show x')).toBeUndefined();
    expect(linesOf('show x\r\na', 'show x')).toBeUndefined();
  });
});
