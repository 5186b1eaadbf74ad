import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { nextRun, parseCron } from '../../src/simulator/cron.js';
import type { Client } from 'ssh2';
import { connect, exec } from './ssh-client.js';
import { startTestPair, volumeBody } from './started-pair.js';
import type { StartedPair } from './started-pair.js';
import type { WsapiClient } from './wsapi-client.js';

// On a busy machine.

let pair: StartedPair;
let a: WsapiClient;
let ssh: Client;

beforeAll(async () => {
  pair = await startTestPair();
  a = pair.a;
  await logIn();
  await a.done('POST', '/volumes', volumeBody('vol1'));
});
afterAll(async () => {
  ssh.end();
  await pair.close();
});

async function logIn(): Promise<void> {
  const { sshHost: host, sshPort: port, user: username, password } = pair.running.ready.arrays[0];
  ssh = await connect({ host, port, username, password });
}

async function type(command: string): Promise<string> {
  const { output, code } = await exec(ssh, command);
  if (code !== 0) throw new Error(output);
  return output.trimEnd();
}
const csv = async (command: string) => (await type(`setclienv csvtable 1; ${command}`)).split('\n');
const clock = (hours: number) => pair.control('POST', '/clock', { array: 'sim-a', hours });
const nowOf = async () => new Date(String((await pair.control('GET', '/state')).list('arrays')[0]?.at('now')));
const snapshots = async () =>
  (await a.send('GET', '/volumes')).body.list('members').filter((each) => each.at('copyType') === 3);
const names = async () => (await snapshots()).map((each) => String(each.at('name')));
/** As the plugin of old sends it, with its stray carriage return. */
const createsched = (name: string, times: string, options = '', prefix = 'pre') =>
  type(`createsched "createsv -f ${options}${prefix}.@y@@m@@d@@H@@M@@S@ vol1" "${times}" ${name} \r`);

describe('when cron runs', () => {
  it.each([
    ['* * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z'],
    ['0 * * * *', '2026-01-01T00:00:30Z', '2026-01-01T01:00:00Z'],
    ['*/20 6-8 * * *', '2026-01-01T08:40:00Z', '2026-01-02T06:00:00Z'],
    ['5,10 0 * * *', '2026-01-01T00:05:59Z', '2026-01-01T00:10:00Z'],
    ['0 0 31 * *', '2026-02-01T00:00:00Z', '2026-03-31T00:00:00Z'],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    // 2026-01-01 is a Thursday.
    ['0 0 * * 7', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
    ['0 0 10 * 1', '2026-01-01T00:00:00Z', '2026-01-05T00:00:00Z'],
    ['@monthly', '2026-12-31T23:59:00Z', '2027-01-01T00:00:00Z'],
    ['0 0 30 2 *', '2026-01-01T00:00:00Z', undefined],
  ])('%s after %s: %s', (text, after, next) => {
    const times = parseCron(text);
    expect(times && nextRun(times, new Date(after))?.toISOString()).toBe(next?.replace('Z', '.000Z'));
  });

  it.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '5/2 * * * *',
  ])('is not said by "%s"', (text) => {
    expect(parseCron(text)).toBeUndefined();
  });

  it.each(['5-1 * * * *', '*/0 * * * *', 'x * * * *', '@never', '1, * * * *'])('nor by "%s"', (text) => {
    expect(parseCron(text)).toBeUndefined();
  });
});

describe('schedules (reference 7.3)', () => {
  afterEach(async () => {
    for (const name of await names()) await a.send('DELETE', `/volumes/${name}`);
  });

  it('make snapshots when the clock passes their times, which expire as they say', async () => {
    expect(await createsched('hourly', '0 * * * *', '-exp 3h -retain 2h ')).toBe('');
    await clock(10);
    const made = await snapshots();
    // The oldest of the last three hours may be at its end.
    expect([2, 3]).toContain(made.length);
    for (const snapshot of made) {
      expect(snapshot.at('name')).toMatch(/^pre\.\d{8}00\d\d$/);
      const [created, expires] = [Number(snapshot.at('creationTimeSec')), Number(snapshot.at('expirationTimeSec'))];
      expect(Math.abs(expires - created - 3 * 3600)).toBeLessThanOrEqual(2);
      expect(created % 3600).toBeLessThan(5);
    }
    const tasks = (await a.send('GET', '/tasks')).body.list('members').filter((each) => each.at('name') === 'hourly');
    expect(tasks.map((each) => [each.at('type'), each.at('status')])).toEqual(
      Array.from({ length: 10 }, () => [14, 1]),
    );
    await type('removesched -f hourly \r');
    await clock(4);
    expect(await names()).toEqual([]);
  });

  it('are shown, suspended, resumed, renamed and removed', async () => {
    expect(`${await type('showsched  s1')} `).toBe('No scheduled tasks ');
    await createsched('s1', '30 4 * * 1-5');
    const lines = await csv('showsched  s1');
    expect(lines[0]).toContain('------Schedule------');
    expect(lines[1]).toBe('SchedName,File/Command,Min,Hour,DOM,Month,DOW,CreatedBy,Status,Alert,NextRunTime');
    expect(lines[2]).toMatch(
      /^s1,createsv -f pre\.@y@@m@@d@@H@@M@@S@ vol1,30,4,\*,\*,1-5,3paradm,active,Y,\d{4}-\d\d-\d\d 04:30 UTC$/,
    );
    await type('setsched -suspend s1');
    expect((await csv('showsched s1'))[2]).toMatch(/,suspended,Y,--$/);
    await clock(24 * 7);
    expect(await names()).toEqual([]);
    await type('setsched -name s2 s1');
    await type('setsched -s "* * * * *" -resume s2');
    expect((await csv('showsched s2'))[2]).toMatch(/^s2,.*,\*,\*,\*,\*,\*,3paradm,active/);
    await clock(0.05);
    expect((await names()).length).toBeGreaterThanOrEqual(2);
    await type('removesched -f s2');
    expect(await type('showsched')).toContain('No scheduled tasks');
  });

  it('fail in a task, and run again', async () => {
    await createsched('long', '* * * * *', '', 'x'.repeat(20));
    await type(`createsched "createsv fixed vol1" "* * * * *" fixed`);
    await clock(0.06);
    expect(await names()).toEqual(['fixed']);
    const tasks = (await a.send('GET', '/tasks')).body.list('members');
    const of = (name: string) => tasks.filter((each) => each.at('name') === name);
    expect(
      of('fixed')
        .map((each) => each.at('status'))
        .slice(0, 3),
    ).toEqual([1, 4, 4]);
    expect(String(of('fixed')[1]?.at('detailedStatus'))).toContain('volume fixed exists already');
    expect(String(of('long')[0]?.at('detailedStatus'))).toContain('is longer than 31 characters');
    for (const name of ['long', 'fixed']) await type(`removesched -f ${name}`);
  });

  it('do not run while the array has no power, nor later for that time', async () => {
    await createsched('dark', '0 * * * *');
    await pair.control('POST', '/power', { array: 'sim-a', on: false });
    await clock(5);
    await pair.control('POST', '/power', { array: 'sim-a', on: true });
    await a.login();
    await logIn();
    expect(await names()).toEqual([]);
    await clock(1);
    expect(await names()).toHaveLength(1);
    await type('removesched -f dark');
  });

  it.each([
    [
      'createsched "createsv -f a vol1" "0 25 * * *" s',
      'The schedule format is <minute> <hour> <dom> <month> <dow> or by @hourly',
    ],
    ['createsched "removevv -f vol1" "0 * * * *" s', 'Error: Invalid command removevv'],
    ['createsched "createsv -exp 0h a vol1" "0 * * * *" s', 'Error: Invalid time 0h for -exp'],
    ['createsched "createsv a" "0 * * * *" s', 'Error: too few arguments'],
    [`createsched "createsv a vol1" "0 * * * *" ${'s'.repeat(32)}`, 'Error: Invalid name'],
    ['removesched -f none', 'Error: schedule none does not exist'],
    ['setsched -suspend none', 'Error: schedule none does not exist'],
    ['createsched "createsv a vol1" "0 * * * *" taken', 'Error: schedule taken exists already'],
    ['setsched -name taken other', 'Error: schedule taken exists already'],
  ])('refuse %s', async (command, message) => {
    await type('createsched "createsv a vol1" "0 0 1 1 *" taken').catch(() => undefined);
    await type('createsched "createsv a vol1" "0 0 1 1 *" other').catch(() => undefined);
    await expect(type(command)).rejects.toThrow(message);
    expect(`${await type('showsched s')} `).toBe('No scheduled tasks ');
  });
});

describe('volumes on the command line', () => {
  it('createsv makes a snapshot, showvv lists it, removevv and growvv obey the rules', async () => {
    const now = await nowOf();
    await type('createsv -f -ro -exp 2d -comment mine s.@y@ vol1');
    const name = `s.${String(now.getUTCFullYear()).slice(2)}`;
    const volume = (await a.send('GET', `/volumes/${name}`)).body;
    expect(volume.value).toMatchObject({ copyOf: 'vol1', readOnly: true, comment: 'mine' });
    const lines = await csv('showvv -p -copyof vol1');
    expect(lines[1]).toMatch(/^Id,Name,/);
    expect(lines[2]).toContain(`,${name},snp,NA,NA,vcopy,vol1,`);
    await expect(type('removevv -f vol1')).rejects.toThrow('Error: volume vol1 has snapshots');
    await expect(type('growvv -f vol1 1g')).rejects.toThrow('cannot be grown');
    await type(`removevv -f ${name}`);
    await type('growvv -f vol1 1g');
    await type('setvv -name vol2 -comment yours vol1');
    expect((await a.send('GET', '/volumes/vol2')).body.value).toMatchObject({ sizeMiB: 1280, comment: 'yours' });
  });
});
