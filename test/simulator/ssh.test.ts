import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FaultSpec } from '../../src/simulator/faults.js';
import { setPower } from '../../src/simulator/outage.js';
import { makeReplicatedVolume, password, startArrays, user } from './cli-array.js';
import type { Arrays } from './cli-array.js';
import { connect, exec, openShell } from './ssh-client.js';

let arrays: Arrays;

beforeEach(async () => {
  arrays = await startArrays();
});

afterEach(async () => {
  await arrays.close();
});

/** The clients that a stranger has. */
async function openSsh(input: string, options: { password?: string; args?: string[] } = {}) {
  const { port, hostKey } = arrays.sshA;
  const knownHosts = join(arrays.dir, 'known_hosts');
  await writeFile(knownHosts, `[127.0.0.1]:${port} ${hostKey}\n`);
  const trust = ['-o', 'StrictHostKeyChecking=yes', '-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'LogLevel=ERROR'];
  const args = ['-e', 'ssh', '-F', 'none', ...trust, '-p', String(port), `${user}@127.0.0.1`, ...(options.args ?? [])];
  return new Promise<{ stdout: string; code: number }>((resolve) => {
    const env = { ...process.env, SSHPASS: options.password ?? password };
    const child = execFile('sshpass', args, { env, timeout: 20_000 }, (error, stdout) => {
      resolve({ stdout, code: typeof error?.code === 'number' ? error.code : 0 });
    });
    child.stdin?.end(input);
  });
}

const fault = (effect: FaultSpec['effect'], more: Partial<FaultSpec> = {}) =>
  arrays.pair.faults.add({ array: 'sim-a', match: { commandRegex: '^stoprcopygroup' }, effect, ...more });
const state = () => arrays.a.getGroup('RCG1').state;

describe('login', () => {
  it('takes the password and keyboard-interactive, and refuses another password or user', async () => {
    expect((await exec(await arrays.operator.client(), 'showversion -s')).output).toBe('3.3.1\n');
    const client = await connect(arrays.operator.loginA, { keyboard: true });
    expect((await exec(client, 'showversion -s')).output).toBe('3.3.1\n');
    client.end();
    const refusal = 'All configured authentication methods failed';
    const wrongPassword = { ...arrays.operator.loginA, password: 'guess' };
    await expect(connect(wrongPassword)).rejects.toThrow(refusal);
    await expect(connect(wrongPassword, { keyboard: true })).rejects.toThrow(refusal);
    await expect(connect({ ...arrays.operator.loginA, username: 'root' })).rejects.toThrow(refusal);
  });

  it('keeps its host key over restarts, readable for nobody else', async () => {
    const file = join(arrays.dir, 'sim-a.key');
    const key = await readFile(file, 'utf8');
    const again = await arrays.serve(arrays.a);
    await again.close();
    expect(again.hostKeyFingerprint).toBe(arrays.sshA.hostKeyFingerprint);
    expect(again.hostKeyFingerprint).not.toBe(arrays.sshB.hostKeyFingerprint);
    expect(await readFile(file, 'utf8')).toBe(key);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('survives a client that speaks no SSH', async () => {
    const socket = connectTcp(arrays.sshA.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.end('GET / HTTP/1.0\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect((await arrays.operator.onA('showversion -s')).code).toBe(0);
  });
});

describe('shell', () => {
  it('echoes lines that were sent at once first, then after each prompt, and ends after exit', async () => {
    const shell = await openShell(await arrays.operator.client());
    shell.write('setclienv csvtable 1\nremovevlun -f no 1 no 0:2:1 \r\nexit\n');
    await shell.closed;
    expect(shell.text.split('\r\n')).toEqual([
      'setclienv csvtable 1',
      'removevlun -f no 1 no 0:2:1 ',
      'exit',
      'sim-a cli% setclienv csvtable 1',
      'sim-a cli% removevlun -f no 1 no 0:2:1 ',
      'Error: VLUN no,1,no,0:2:1 does not exist',
      'sim-a cli% exit',
      '',
    ]);
    expect(shell.code).toBe(0);
  });

  it('has five lines before the output and two after it also when the lines come late', async () => {
    const shell = await openShell(await arrays.operator.client());
    await shell.until('sim-a cli% ');
    shell.write('setclienv csvtable 1\nshowversion -s\nexit\n');
    await shell.closed;
    const lines = shell.text.split('\r\n');
    expect(lines.slice(5, -2)).toEqual(['3.3.1']);
    expect(lines.slice(-2)).toEqual(['sim-a cli% exit', '']);
  });

  it('edits a line that is typed by hand', async () => {
    const shell = await openShell(await arrays.operator.client());
    await shell.until('sim-a cli% ');
    for (const keys of ['x', '\u007f', 'show', 'versionn', '\u001b[D', '\u007f', ' -s\r']) shell.write(keys);
    await shell.until('3.3.1\r\nsim-a cli% ');
    shell.write('nonsense\u0003');
    await shell.until('^C\r\nsim-a cli% ');
    shell.write('wrong\u0015showversion -s\r');
    await shell.until('3.3.1\r\nsim-a cli% ');
    shell.write('\u0004');
    await shell.closed;
    expect(shell.text).toBe(
      'sim-a cli% x\b \bshowversionn\b \b -s\r\n3.3.1\r\nsim-a cli% nonsense^C\r\n' +
        `sim-a cli% wrong${'\b \b'.repeat(5)}showversion -s\r\n3.3.1\r\nsim-a cli% `,
    );
  });

  it('is the same for the ssh program, with and without a terminal, and for one command', async () => {
    const terminal = await openSsh('setclienv csvtable 1\nshowversion -s\nexit\n', { args: ['-tt'] });
    expect(terminal.stdout.split('\r\n').slice(5, -2)).toEqual(['3.3.1']);
    expect(await openSsh('showversion -s\nexit\nshowsys\n')).toEqual({ stdout: '3.3.1\n', code: 0 });
    expect(await openSsh('', { args: ['showversion', '-s'] })).toEqual({ stdout: '3.3.1\n', code: 0 });
    expect((await openSsh('', { args: ['showrcopy', 'groups', 'nope'] })).code).toBe(1);
    expect(await openSsh('', { password: 'guess', args: ['showsys'] })).toEqual({ stdout: '', code: 5 });
  });

  it('runs several commands of one exec request in order, each in the settings of its own session', async () => {
    const client = await arrays.operator.client();
    const { output, code } = await exec(client, 'nonsense;setclienv csvtable 1\nshowvlun ; showhost; exit; showsys');
    expect(output).toBe('invalid command name "nonsense"\nno vluns listed\nno hosts listed\n');
    expect(code).toBe(1);
    expect((await exec(client, 'showsys')).output.split('\n')[0]).not.toContain(',');
  });
});

describe('log, latency, faults and power', () => {
  it('logs every command of both arrays with its outcome', async () => {
    await arrays.operator.onA('setclienv csvtable 1; showvv nope');
    await arrays.operator.onB('showsys');
    const entries = arrays.pair.log
      .list()
      .map(({ array, protocol, command, status }) => [array, protocol, command, status]);
    expect(entries).toEqual([
      ['sim-a', 'ssh', 'setclienv csvtable 1', 0],
      ['sim-a', 'ssh', 'showvv nope', 1],
      ['sim-b', 'ssh', 'showsys', 0],
    ]);
  });

  it('waits the latency before each command', async () => {
    arrays.pair.latencyMs = 60;
    await arrays.operator.onA('showsys');
    expect(arrays.pair.log.list()[0]?.durationMs).toBeGreaterThanOrEqual(55);
  });

  it.each([
    ['error', 'started', { output: 'Error: The system could not run the command (code 77)\n', code: 1 }],
    ['reset', 'started', { output: '', code: undefined }],
    ['lost-reply', 'stopped', { output: '', code: undefined }],
    ['done-but-error', 'stopped', { output: 'Error: The system could not run the command (code 77)\n', code: 1 }],
    ['ok-not-done', 'started', { output: '', code: 0 }],
    ['delay', 'stopped', { output: '', code: 0 }],
  ] as const)('fault %s leaves the group %s', async (effect, after, answer) => {
    await makeReplicatedVolume(arrays);
    fault(effect, { code: 77, ms: 80 });
    expect(await arrays.operator.onA('stoprcopygroup -f RCG1')).toEqual(answer);
    expect(state()).toBe(after);
    const [entry] = arrays.pair.log.list('sim-a');
    expect(entry?.durationMs).toBeGreaterThanOrEqual(effect === 'delay' ? 75 : 0);
    expect((await arrays.operator.onA('stoprcopygroup -f RCG1')).code).toBe(0);
  });

  it('hang never answers and does nothing; other commands go on', async () => {
    await makeReplicatedVolume(arrays);
    fault('hang');
    const client = await arrays.operator.client();
    let answered = false;
    const pending = exec(client, 'stoprcopygroup -f RCG1').then((result) => {
      answered = true;
      return result;
    });
    expect((await exec(client, 'showversion -s')).code).toBe(0);
    expect(answered).toBe(false);
    client.end();
    expect((await pending).code).toBeUndefined();
    expect(state()).toBe('started');
  });

  it('an array without power drops its connections and takes none until it is on again', async () => {
    const client = await arrays.operator.client();
    const closed = new Promise<void>((resolve) => client.on('close', resolve));
    await arrays.pair.exclusive(() => setPower(arrays.pair, arrays.a, false));
    await closed;
    await expect(connect(arrays.operator.loginA)).rejects.toThrow(/ECONNRESET|closed|Connection lost|handshake/);
    expect((await arrays.operator.onB('showversion -s')).code).toBe(0);
    await arrays.pair.exclusive(() => setPower(arrays.pair, arrays.a, true));
    expect((await arrays.operator.onA('showversion -s')).code).toBe(0);
  });
});
