import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { doctor } from '../../src/commands/doctor.js';
import { encrypt } from '../../src/commands/encrypt.js';
import { backup } from '../../src/commands/metadata.js';
import { status } from '../../src/commands/status.js';
import { chooseCommonPort } from '../../src/simulator/free-port.js';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { controlOf, hpeConf, operator } from '../pair-client.js';

/** The arrays' own, and one that no array takes. */
const ARRAY = 'planted-Arr4y-8f21c9';
const WRONG = 'planted-Wr0ng-77ab03';
/** How the simulated arrays make theirs. */
const SESSION_KEY = /0-[0-9a-f]{32}-[0-9a-f]{8}/;

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`;
const TOOLS =
  'losetup mount umount blkid blockdev mkfs.ext4 dumpe2fs debugfs tune2fs stat sync tee cat chown chmod'.split(' ');

describe('planted secrets', () => {
  let dir: string;
  let pair: RunningPair;
  let etcd: Etcd;
  let daemon: DaemonProcess;
  let url: string;
  let sealed: string;
  const at = (name: string): string => path.join(dir, name);
  /** Everything that anybody got to see, by where. */
  const seen = new Map<string, string>();
  const see = (where: string, text: string): void => void seen.set(where, (seen.get(where) ?? '') + text);

  const leaks = (secrets: (string | RegExp)[]): string[] =>
    [...seen].flatMap(([where, text]) =>
      secrets
        .filter((each) => (typeof each === 'string' ? text.includes(each) : each.test(text)))
        .map((each) => `${where}: ${each}`),
    );

  const type = async (secret: string, ...args: string[]): Promise<string> => {
    const input = new PassThrough();
    input.end(`${secret}\n`);
    return (await encrypt(args, { input, output: new PassThrough() }))[0] ?? '';
  };

  /** The daemon's tools write down how they were called before they run: many end too soon to be seen in /proc. */
  const tellCommandLines = async (): Promise<void> => {
    await mkdir(at('bin'));
    for (const tool of TOOLS) {
      const script = `#!/bin/sh\nprintf '%s\\n' "${tool} $*" >>${at('command-lines')}\nexec env PATH="${PATH}" ${tool} "$@"\n`;
      await writeFile(at(`bin/${tool}`), script, { mode: 0o755 });
    }
    process.env['PATH'] = `${at('bin')}:${PATH}`;
  };

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'hpe-planted-'));
    etcd = await startEtcd();
    pair = await startPair({ dir: at('pair'), fabric: 'loopback', password: ARRAY });
    const port = await chooseCommonPort(['127.0.0.1', '127.0.0.2']);
    url = `http://127.0.0.1:${port}`;
    sealed = await type(ARRAY, '--key-file', at('key'), '--new-key');
    await writeFile(at('password'), `${ARRAY}\n`, { mode: 0o600 });
    const more = [
      `host_etcd_ip_address = ${etcd.host}`,
      `status_listen = 127.0.0.1:${port}`,
      `password_key_file = ${at('key')}`,
    ];
    const conf = hpeConf(pair.ready, { mode: 'synchronous', fabricDir: at('pair/fabric'), more })
      .replace('logging = INFO', 'logging = DEBUG')
      .replace(`hpe3par_password = ${ARRAY}`, `hpe3par_password_file = ${at('password')}`)
      .replace(`hpe3par_password:${ARRAY}`, `hpe3par_password:${sealed}`)
      .replace(/(\[plain\][^]*?san_password) = .*/, `$1 = ${WRONG}`);
    const locked = conf.slice(conf.indexOf('[plain]')).replace('[plain]', '[locked]').replaceAll(ARRAY, WRONG);
    await writeFile(at('hpe.conf'), `${conf}\n${locked}`, { mode: 0o600 });
    daemon = new DaemonProcess({ dir, configFile: at('hpe.conf'), nodeName: 'node1' });
  }, 60_000);

  afterAll(async () => {
    process.env['PATH'] = PATH;
    await daemon.stop();
    await pair.close();
    await etcd.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('are in no log, error, answer, record, state file, command line, status, metric or finding', async () => {
    const { docker } = daemon;
    const control = controlOf(pair.ready);
    const [a, b] = pair.ready.arrays;
    const call = async (method: string, body: unknown): Promise<void> =>
      see('answers to dockerd', JSON.stringify(await docker.call(`VolumeDriver.${method}`, body)));
    await tellCommandLines();
    await daemon.start();
    await call('Create', { Name: 'pair', Opts: { size: '1', replicationGroup: 'g' } });
    await call('Create', { Name: 'one', Opts: { size: '1', backend: 'plain' } });
    await call('Create', { Name: 'no', Opts: { size: '1', backend: 'locked' } });
    await call('Create', { Name: 'help', Opts: { help: 'backends' } });
    await call('Mount', { Name: 'one', ID: 'm1' });
    await call('Unmount', { Name: 'one', ID: 'm1' });
    // Over SSH, with a password that is refused.
    const schedule = {
      virtualCopyOf: 'one',
      scheduleName: 's',
      scheduleFrequency: '0 * * * *',
      snapshotPrefix: 'p',
    };
    await call('Create', { Name: 'snap', Opts: schedule });
    await call('Mount', { Name: 'pair', ID: 'm1' });
    await control.fault({
      array: a.name,
      match: { method: 'GET', pathRegex: 'remotecopygroups' },
      effect: 'reset',
      times: 5,
    });
    await call('Get', { Name: 'pair' });
    await call('Unmount', { Name: 'pair', ID: 'm1' });
    await control.clearFaults();
    // The session ends on one array and on the other one everything.
    pair.arrays[0].sessions.clear();
    await control.power(b.name, false);
    await call('Remove', { Name: 'pair' });
    await control.power(b.name, true);
    await operator(a, 'stoprcopygroup -f g');
    await call('Get', { Name: 'pair' });
    await call('List', {});
    for (const page of ['/', '/fragment', '/status.json', '/metrics', '/readyz']) {
      see('status and metrics', await (await fetch(`${url}${page}`)).text());
    }
    const where = ['--config', at('hpe.conf'), '--state-dir', daemon.stateDir];
    see('doctor', (await doctor([...where, '--socket', daemon.socketPath])).lines.join('\n'));
    see('status', (await status([...where, '--docker-socket', at('none.sock')])).join('\n'));
    await backup([at('backup.json'), ...where]);
    see('a backup', await readFile(at('backup.json'), 'utf8'));
    see('etcd', await etcd.ctl('get', '--prefix', '/hpe-volume-plugin/'));
    see('the daemon', await readFile(`/proc/${daemon.pid ?? 0}/cmdline`, 'utf8'));
    see('the daemon', await readFile(`/proc/${daemon.pid ?? 0}/environ`, 'utf8'));
    see('command lines', await readFile(at('command-lines'), 'utf8'));
    see('the log', await readFile(daemon.logFile, 'utf8'));
    for (const name of await readdir(daemon.stateDir, { recursive: true, withFileTypes: true })) {
      if (name.isFile()) see('state directory', await readFile(path.join(name.parentPath, name.name), 'latin1'));
    }
    // Each of them really was in use.
    expect(seen.get('answers to dockerd')).toContain('user or password refused');
    expect(seen.get('answers to dockerd')).toContain('authentication methods failed');
    expect(seen.get('the log')).toContain('WSAPI call');
    for (const tool of ['losetup', 'mkfs.ext4', 'mount', 'umount'])
      expect(seen.get('command lines')).toMatch(new RegExp(`^${tool} `, 'm'));
    expect(seen.get('the daemon')).toContain('--state-dir');
    expect(leaks([ARRAY, WRONG, sealed, SESSION_KEY])).toEqual([]);
    see('a leak', `x${ARRAY}`);
    expect(leaks([ARRAY])).toEqual([`a leak: ${ARRAY}`]);
    seen.delete('a leak');
  }, 120_000);
});
