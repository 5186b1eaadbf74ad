import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { generate } from 'selfsigned';
import { doctor } from '../../src/commands/doctor.js';
import { encrypt } from '../../src/commands/encrypt.js';
import { backup } from '../../src/commands/metadata.js';
import { status } from '../../src/commands/status.js';
import { chooseCommonPort } from '../../src/simulator/free-port.js';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { DaemonProcess } from '../daemon-process.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { controlOf, hpeConf, operator } from '../pair-client.js';

/** The arrays' own, and those that no array takes: one for WSAPI, one for SSH. */
const ARRAY = 'planted-Arr4y-8f21c9';
const WRONG = 'planted-Wr0ng-77ab03';
const WRONG_SSH = 'planted-Ssh-5d04ee';
/** Of the host, for iSCSI. */
const CHAP = 'planted-Ch4p-3b';
/** Of the old plugin, in etcd. */
const PASSPHRASE = 'planted-Phrase-c61';
/** How the simulated arrays make theirs. */
const SESSION_KEY = /0-[0-9a-f]{32}-[0-9a-f]{8}/;

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`;
const TOOLS = 'losetup mount umount blkid blockdev mkfs.ext4 dumpe2fs debugfs tune2fs stat sync chown chmod'.split(' ');

/** open-iscsi without a SAN: a portal that refuses our secret. `tee` writes the node record, and says again what it was given. */
const OPEN_ISCSI: Readonly<Record<string, string>> = {
  cat: `case $1 in
*/initiatorname.iscsi) echo InitiatorName=iqn.1993-08.org.debian:01:planted ;;
*/iscsi/nodes/*) printf '# BEGIN RECORD\\nnode.name = x\\n# END RECORD\\n' ;;
*) exec /bin/cat "$@" ;;
esac`,
  tee: `case $1 in */iscsi/nodes/*) exec /usr/bin/tee "$DIR/node-record" ;; *) exec /usr/bin/tee "$@" ;; esac`,
  iscsiadm: `case "$*" in
*--login) echo 'iscsiadm: initiator reported error (24 - iSCSI login failed due to authorization failure)' >&2; exit 24 ;;
*'-o new'|*'-o update'*|*'-o delete') exit 0 ;;
*) exit 21 ;;
esac`,
};

describe('planted secrets', () => {
  let dir: string;
  let pair: RunningPair;
  let etcd: Etcd;
  let daemon: DaemonProcess;
  let url: string;
  let sealed: string;
  let old: string;
  let etcdKey: string;
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
    for (const [tool, answers] of Object.entries(OPEN_ISCSI)) {
      const script = `#!/bin/sh\nprintf '%s\\n' "${tool} $*" >>${at('command-lines')}\nDIR=${dir}\n${answers}\n`;
      await writeFile(at(`bin/${tool}`), script, { mode: 0o755 });
    }
    process.env['PATH'] = `${at('bin')}:${PATH}`;
  };

  /** An etcd that takes clients with this certificate only. */
  const startSecureEtcd = async (): Promise<Etcd> => {
    const pem = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
    });
    await writeFile(at('etcd.crt'), pem.cert);
    await writeFile(at('etcd.key'), pem.private, { mode: 0o600 });
    // One line of its base64 is enough to tell.
    etcdKey = pem.private.split('\n')[3]?.trim() ?? '';
    return startEtcd({ ca: at('etcd.crt'), cert: at('etcd.crt'), key: at('etcd.key') });
  };

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'hpe-planted-'));
    etcd = await startSecureEtcd();
    pair = await startPair({ dir: at('pair'), fabric: 'loopback', password: ARRAY });
    const port = await chooseCommonPort(['127.0.0.1', '127.0.0.2']);
    url = `http://127.0.0.1:${port}`;
    sealed = await type(ARRAY, '--key-file', at('key'), '--new-key');
    await writeFile(at('password'), `${ARRAY}\n`, { mode: 0o600 });
    const more = [
      `host_etcd_ip_address = ${etcd.host}`,
      `host_etcd_ca_cert = ${at('etcd.crt')}`,
      `host_etcd_client_cert = ${at('etcd.crt')}`,
      `host_etcd_client_key = ${at('etcd.key')}`,
      `status_listen = 127.0.0.1:${port}`,
      `password_key_file = ${at('key')}`,
    ];
    const conf = hpeConf(pair.ready, { mode: 'synchronous', fabricDir: at('pair/fabric'), more })
      .replace('logging = INFO', 'logging = DEBUG')
      .replace(`hpe3par_password = ${ARRAY}`, `hpe3par_password_file = ${at('password')}`)
      .replace(`hpe3par_password:${ARRAY}`, `hpe3par_password:${sealed}`)
      .replace(/(\[plain\][^]*?san_password) = .*/, `$1 = ${WRONG_SSH}`);
    const plain = conf.slice(conf.indexOf('[plain]'));
    const locked = plain.replace('[plain]', '[locked]').replaceAll(ARRAY, WRONG);
    // Over real iSCSI, whose tools are those below.
    const chap = plain
      .replace('[plain]', '[chap]')
      .replace(/loopback_fabric = .*/, 'hpe3par_iscsi_chap_enabled = true\nuse_multipath = false');
    await writeFile(at('hpe.conf'), conf, { mode: 0o600 });
    await writeFile(at('passphrase'), `${PASSPHRASE}\n`, { mode: 0o600 });
    const where = ['--config', at('hpe.conf'), '--state-dir', at('state')];
    // The passphrase goes to etcd by this, under the name of a backend that is only here below.
    await writeFile(at('hpe.conf'), `${conf}\n${plain.replace('[plain]', '[old]')}`, { mode: 0o600 });
    old = await type(ARRAY, '--backend', 'old', '--passphrase-file', at('passphrase'), ...where);
    const ofOld = plain.replace('[plain]', '[old]').replaceAll(ARRAY, old).replaceAll(WRONG_SSH, old);
    await writeFile(at('hpe.conf'), [conf, locked, chap, ofOld].join('\n'), { mode: 0o600 });
    daemon = new DaemonProcess({ dir, configFile: at('hpe.conf'), nodeName: 'node1' });
    await mkdir(daemon.stateDir, { recursive: true, mode: 0o700 });
    const host = { schema: 1, name: 'node1', secret: CHAP };
    await writeFile(path.join(daemon.stateDir, 'chap.json'), JSON.stringify(host), { mode: 0o600 });
  });

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
    await call('Create', { Name: 'old', Opts: { size: '1', backend: 'old' } });
    await call('Create', { Name: 'san', Opts: { size: '1', backend: 'chap' } });
    await call('Mount', { Name: 'san', ID: 'm1' });
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
      // The one place where the host's own secret is, for root alone.
      if (name.isFile() && name.name !== 'chap.json')
        see('state directory', await readFile(path.join(name.parentPath, name.name), 'latin1'));
    }
    // Each of them really was in use.
    expect(seen.get('answers to dockerd')).toContain('user or password refused');
    expect(seen.get('answers to dockerd')).toContain('authentication methods failed');
    expect(seen.get('the log')).toContain('WSAPI call');
    for (const tool of ['losetup', 'mkfs.ext4', 'mount', 'umount'])
      expect(seen.get('command lines')).toMatch(new RegExp(`^${tool} `, 'm'));
    expect(seen.get('the daemon')).toContain('--state-dir');
    expect(seen.get('answers to dockerd')).toContain('authorization failure');
    expect(await readFile(at('node-record'), 'utf8')).toContain(`node.session.auth.password = ${CHAP}`);
    const given = (await control.log()).filter((each) => each.method === 'PUT' && /hosts/.test(each.path ?? ''));
    expect(given.map((each) => each.status)).toContain(200);
    expect(await etcd.ctl('get', '--print-value-only', '/backend/old')).toBe(`${PASSPHRASE}\n`);
    expect(await docker.call('VolumeDriver.Get', { Name: 'old' })).toMatchObject({ Err: '' });
    expect(etcdKey.length).toBeGreaterThan(40);
    expect(leaks([ARRAY, WRONG, WRONG_SSH, CHAP, PASSPHRASE, etcdKey, sealed, old, SESSION_KEY])).toEqual([]);
    see('a leak', `x${ARRAY}`);
    expect(leaks([ARRAY])).toEqual([`a leak: ${ARRAY}`]);
    seen.delete('a leak');
  });
});
