import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { encrypt } from '../../src/commands/encrypt.js';
import { serve } from '../../src/commands/serve.js';
import { startPair, type RunningPair } from '../../src/simulator/pair.js';
import { dockerClient, type DockerClient } from '../docker-client.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { controlOf, hpeConf, type PairControl } from '../pair-client.js';
import { arrayObjects } from '../simulator-state.js';
import { waitFor } from './site.js';

const PASSPHRASE = 'a passphrase of the old plugin';
/** The arrays' own. */
const PASSWORD = '3pardata';

describe('passwords that do not stand in hpe.conf as plain text', () => {
  let dir: string;
  let etcd: Etcd;
  let pair: RunningPair;
  let control: PairControl;
  let docker: DockerClient;
  let daemon: { close(): Promise<void> } | undefined;
  let output: string;
  let old: string;
  let sealed: string;
  /** hpe.conf with plain passwords, and the one that a test uses. */
  let plain: string;
  const at = (name: string): string => path.join(dir, name);

  const type = async (...args: string[]): Promise<string> => {
    const input = new PassThrough();
    input.end(`${PASSWORD}\n`);
    const where = args.includes('--backend') ? ['--config', at('hpe.conf'), '--state-dir', at('state')] : [];
    return (await encrypt([...args, ...where], { input, output: new PassThrough() }))[0] ?? '';
  };

  /** Both arrays of DEFAULT as the old plugin had it; the array of `plain` in the better ways. */
  const conf = (): string =>
    plain
      .replaceAll(`password = ${PASSWORD}`, `password = ${old}`)
      .replaceAll(`password:${PASSWORD}`, `password:${old}`)
      .replace(/(\[plain\][^]*?hpe3par_password) = .*/, `$1_file = ${at('password')}`)
      .replace(/(\[plain\][^]*?san_password) = .*/, `$1 = ${sealed}`)
      .replace('[DEFAULT]', `[DEFAULT]\npassword_key_file = ${at('key')}`);

  const start = async (text: string): Promise<void> => {
    await writeFile(at('hpe.conf'), text, { mode: 0o600 });
    daemon = await serve({
      configFile: at('hpe.conf'),
      socketPath: at('hpe.sock'),
      stateDir: at('state'),
      nodeName: 'node1',
    });
  };

  const logins = async (): Promise<string[]> => {
    const requests = (await control.log()).filter((each) => JSON.stringify(each).includes('/credentials"'));
    return requests.map(({ array, status }) => `${array} ${status}`).toSorted();
  };

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'hpe-secrets-'));
    etcd = await startEtcd();
    pair = await startPair({ dir: at('pair'), fabric: 'loopback' });
    control = controlOf(pair.ready);
    docker = dockerClient(at('hpe.sock'));
    const more = [`host_etcd_ip_address = ${etcd.host}`];
    plain = hpeConf(pair.ready, { mode: 'synchronous', fabricDir: at('pair/fabric'), more });
    await writeFile(at('hpe.conf'), plain, { mode: 0o600 });
    await writeFile(at('password'), `${PASSWORD}\n`, { mode: 0o400 });
    await writeFile(at('passphrase'), `${PASSPHRASE}\n`, { mode: 0o400 });
    old = await type('--backend', 'DEFAULT', '--passphrase-file', at('passphrase'));
    sealed = await type('--key-file', at('key'), '--new-key');
  });

  beforeEach(async () => {
    await control.clearLog();
    output = '';
    jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      output += String(chunk);
      return true;
    });
  });

  afterEach(async () => {
    await daemon?.close();
    daemon = undefined;
    jest.restoreAllMocks();
    for (const secret of [PASSPHRASE, PASSWORD, old, sealed]) expect(output).not.toContain(secret);
  });

  afterAll(async () => {
    const left = await arrayObjects(control);
    await pair.close();
    await etcd.stop();
    await rm(dir, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  it('the daemon starts without etcd and sends none; when etcd is back it logs in to both arrays with them', async () => {
    await etcd.kill();
    await start(conf());
    expect(await docker.call('Plugin.Activate')).toMatchObject({ Implements: ['VolumeDriver'] });
    expect(await docker.create('early', { size: '1', replicationGroup: 'SECRETS' })).toMatch(
      /etcd at .* does not answer/,
    );
    await waitFor(() => output.includes('wait for etcd'));
    expect(await logins()).toEqual([]);

    await etcd.start();
    expect(await docker.create('pair', { size: '1', replicationGroup: 'SECRETS' })).toBe('');
    expect(await docker.create('one', { size: '1', backend: 'plain' })).toBe('');
    expect(new Set(await logins())).toEqual(new Set(['sim-a 201', 'sim-b 201']));
    for (const line of [
      /hpe3par_password, san_password, replication_device.hpe3par_password, .*as by hpe3parencryptor \(weak/,
      /backend plain: hpe3par_password: in a file of its own \(good.*san_password: encrypted .* AES-256-GCM \(good/,
    ]) {
      expect(output).toMatch(line);
    }
    for (const name of ['pair', 'one']) expect(await docker.remove(name)).toBe('');
  });

  it.each([
    [
      'replication_device.san_password',
      'the secondary array',
      (text: string) => text.replace(`san_password:${old}`, 'san_password:3pardata'),
    ],
    [
      'hpe3par_password',
      'the primary array',
      (text: string) => text.replace(`hpe3par_password = ${old}`, 'hpe3par_password = 3pardata'),
    ],
  ])(
    'a plain %s of %s beside encrypted ones is refused by name, and nothing is sent to any array',
    async (key, _side, edit) => {
      const text = conf();
      expect(edit(text)).not.toBe(text);
      await start(edit(text));
      const answer = await docker.create('mixed', { size: '1', replicationGroup: 'SECRETS' });
      expect(answer).toContain(`in hpe.conf ${key} of backend DEFAULT is not encrypted with it`);
      expect(answer).toContain('etcdctl del /backend/DEFAULT');
      await waitFor(() => output.includes(`${key} of backend DEFAULT is not encrypted`));
      expect(await logins()).toEqual([]);
    },
    60_000,
  );

  it('encrypt with the passphrase that etcd has makes the same value; another one is refused', async () => {
    expect(await type('--backend', 'DEFAULT')).toBe(old);
    await writeFile(at('other'), 'another one\n', { mode: 0o400 });
    await expect(type('--backend', 'DEFAULT', '--passphrase-file', at('other'))).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('/backend/DEFAULT'),
    });
    await expect(type('--backend', 'plain')).rejects.toMatchObject({ code: 'not-found' });
    await expect(type('--backend', 'gold')).rejects.toMatchObject({ code: 'invalid' });
  });
});
