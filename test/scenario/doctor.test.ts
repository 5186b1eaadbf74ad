import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import ssh2 from 'ssh2';
import { z } from 'zod';
import { diagnose, doctor } from '../../src/commands/doctor.js';
import type { ExaminedHost } from '../../src/doctor/host.js';
import type { SimulatedArray } from '../../src/simulator/array.js';
import type { Group } from '../../src/simulator/model.js';
import { startEtcd } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hpeConf, operator } from '../pair-client.js';

/** The arrays' iSCSI ports, on this machine. */
const PORTALS = [
  ['127.0.1.11', '127.0.1.12'],
  ['127.0.2.11', '127.0.2.12'],
] as const;

const seed = {
  arrays: PORTALS.map(([one, two]) => ({
    ports: [
      { kind: 'fc', pos: { node: 0, slot: 1, cardPort: 1 } },
      { kind: 'iscsi', pos: { node: 0, slot: 2, cardPort: 1 }, ip: one },
      { kind: 'iscsi', pos: { node: 1, slot: 2, cardPort: 1 }, ip: two },
      { kind: 'rcip', pos: { node: 0, slot: 3, cardPort: 1 }, ip: one },
    ],
  })),
};

/** This machine has no SAN tools, and what it has is not looked at here. */
const soundHost: ExaminedHost = {
  run: async () => Promise.resolve('version 1.2.3'),
  findProblems: async () => Promise.resolve([]),
  hasModule: async () => Promise.resolve(true),
};

describe('doctor, on a pair and a daemon where nothing is wrong', () => {
  let node: Node;
  let sound: string;
  let a: SimulatedArray;
  let b: SimulatedArray;
  const at = (name: string): string => path.join(node.dir, name);
  const groupAt = (array: SimulatedArray): Group => array.getGroup(array === a ? 'g1' : `g1.r${a.systemId}`);

  /** Ids of what is found with that hpe.conf, without notes. */
  const found = async (conf: string, where: { stateDir?: string; mode?: number; host?: ExaminedHost } = {}) => {
    await writeFile(at('looked-at.conf'), conf);
    await chmod(at('looked-at.conf'), where.mode ?? 0o600);
    const findings = await diagnose({
      configFile: at('looked-at.conf'),
      socketPath: at('hpe.sock'),
      stateDir: where.stateDir ?? at('state'),
      host: where.host ?? soundHost,
    });
    for (const { fix, severity } of findings) if (severity !== 'note') expect(fix).not.toBe('');
    return findings.filter(({ severity }) => severity !== 'note').map(({ id }) => id);
  };

  /** While that holds, the doctor finds `ids`; afterwards nothing any more. */
  const expectWhile = async (change: () => unknown, undo: () => unknown, ids: string[]): Promise<void> => {
    await change();
    try {
      expect(await found(sound)).toEqual(ids);
    } finally {
      await undo();
    }
    expect(await found(sound)).toEqual([]);
  };

  /** The same for a member of the arrays' model. */
  const expectWith = async <T extends object>(object: T, changes: Partial<T>, ids: string[]): Promise<void> => {
    const before = { ...object };
    await expectWhile(
      () => Object.assign(object, changes),
      () => Object.assign(object, before),
      ids,
    );
  };

  beforeAll(async () => {
    node = await startNode({ mode: 'asynchronous', seed });
    [a, b] = [...node.simulator.arrays];
    await writeFile(at('password'), '3pardata\n', { mode: 0o600 });
    await writeFile(at('wrong-password'), 'not the one\n', { mode: 0o600 });
    const lines = await Promise.all(
      node.pair.arrays.map(async ({ name, sshHost, sshPort }) => {
        const key = ssh2.utils.parseKey(await readFile(at(`pair/${name}/ssh-host-key`)));
        if (key instanceof Error) throw key;
        return `[${sshHost}]:${sshPort} ${key.type} ${key.getPublicSSH().toString('base64')}\n`;
      }),
    );
    await writeFile(at('known_hosts'), lines.join(''));
    await writeFile(
      at('other_hosts'),
      lines
        .toReversed()
        .map((line, each) => line.replace(/^\S+/, lines[each]?.split(' ')[0] ?? ''))
        .join(''),
    );
    sound = hpeConf(node.pair, { mode: 'asynchronous', fabricDir: node.fabricDir })
      .split('\n[plain]')[0]!
      .replaceAll('_password = 3pardata', `_password_file = ${at('password')}`)
      .replaceAll('_password:3pardata', `_password_file:${at('password')}`)
      .replace('[DEFAULT]', `[DEFAULT]\nstrict_ssh_host_key_policy = true\nssh_hosts_key_file = ${at('known_hosts')}`);
    expect(await node.docker.create('v1', { size: '1', replicationGroup: 'g1' })).toBe('');
  });

  afterAll(async () => {
    await node.close();
  });

  it('finds nothing, ends with 0, and changes nothing on the arrays', async () => {
    await node.control.clearLog();
    expect(await found(sound)).toEqual([]);
    const changes = (await node.control.log()).filter(
      (each) => 'method' in each && each.method !== 'GET' && each.path?.includes('/credentials') !== true,
    );
    expect(changes).toEqual([]);
    await writeFile(at('looked-at.conf'), sound, { mode: 0o600 });
    const where = ['--config', at('looked-at.conf'), '--state-dir', at('state'), '--socket', at('hpe.sock')];
    const { lines, exitCode } = await doctor(where);
    expect({ exitCode, last: lines.at(-1) }).toEqual({ exitCode: 0, last: 'nothing is wrong; 2 notes' });
    expect(JSON.parse((await doctor([...where, '--json'])).lines.join('\n'))).toMatchObject({ healthy: true });
  });

  const second = (text: string): string => text.slice(text.indexOf('replication_device'));
  const inSecond = (text: string, from: string | RegExp, to: string): string =>
    text.replace(second(text), second(text).replace(from, to));
  const closed = 'https://127.0.0.2:9/api/v1';

  const CONFIGURED: [string, string[], (conf: string) => string][] = [
    ['a key is missing', ['config-invalid'], (conf) => conf.replace(/^hpe3par_cpg.*\n/m, '')],
    [
      'a key is set twice',
      ['config-warning'],
      (conf) => conf.replace('logging = INFO', 'logging = INFO\nlogging = INFO'),
    ],
    [
      'a password is plain text',
      ['password-weak'],
      (conf) => conf.replace(/^hpe3par_password_file.*/m, 'hpe3par_password = 3pardata'),
    ],
    [
      'nobody listens at the address',
      ['array-unreachable'],
      (conf) => inSecond(conf, /api_url:[^,]*/, `api_url:${closed}`),
    ],
    [
      'it shows another certificate',
      ['array-certificate'],
      (conf) => inSecond(conf, /hpe3par_ca_file:[^,]*/, `hpe3par_fingerprint:${'0'.repeat(64)}`),
    ],
    [
      'nothing proves its certificate',
      ['array-certificate-first-contact'],
      (conf) => inSecond(conf, /hpe3par_ca_file:[^,]*,\s*/, ''),
    ],
    [
      'its certificate is not checked',
      ['array-certificate-unchecked'],
      (conf) => inSecond(conf, /hpe3par_ca_file:[^,]*/, 'hpe3par_tls_verify:false'),
    ],
    [
      'its password is wrong',
      ['array-login'],
      (conf) => inSecond(conf, /hpe3par_password_file:[^,]*/, `hpe3par_password_file:${at('wrong-password')}`),
    ],
    ['it has no such CPG', ['array-cpg', 'array-cpg'], (conf) => conf.replace(/cpg_map:/, 'cpg_map:other-a:other-b ')],
    ['nobody listens for SSH', ['ssh-unreachable'], (conf) => inSecond(conf, /san_ssh_port:\d+/, 'san_ssh_port:9')],
    [
      'its host key is another one',
      ['ssh-host-key', 'ssh-host-key'],
      (conf) => conf.replace('known_hosts', 'other_hosts'),
    ],
    [
      'its host key is not known',
      ['ssh-host-key-first-contact', 'ssh-host-key-first-contact'],
      (conf) => conf.replace(/^strict_ssh.*\nssh_hosts.*\n/m, ''),
    ],
    [
      'its SSH password is wrong',
      ['ssh-login'],
      (conf) => inSecond(conf, /san_password_file:[^,]*/, `san_password_file:${at('wrong-password')}`),
    ],
    [
      'both addresses lead to one array',
      ['pair-same-array'],
      (conf) =>
        inSecond(
          inSecond(conf, /api_url:[^,]*/, `api_url:${node.pair.arrays[0].apiUrl.replace('127.0.0.1', 'localhost')}`),
          /ca_file:[^,]*/,
          `ca_file:${node.pair.arrays[0].caFile}`,
        ),
    ],
    ['the target is unknown', ['pair-target'], (conf) => conf.replace(/backend_id:[^,]*/, 'backend_id:nobody')],
    [
      'another mode is started on the target',
      ['pair-mode'],
      (conf) => conf.replace(/replication_mode:[^,]*,\s*sync_period:\d+/, 'replication_mode:synchronous'),
    ],
    [
      'etcd is away',
      ['etcd-unreachable'],
      (conf) => conf.replace('[DEFAULT]', '[DEFAULT]\nhost_etcd_ip_address = 127.0.0.1:9'),
    ],
    [
      'etcd has no such CA',
      ['config-invalid'],
      (conf) =>
        conf.replace('[DEFAULT]', '[DEFAULT]\nhost_etcd_ip_address = 127.0.0.1:9\nhost_etcd_ca_cert = /nowhere'),
    ],
  ];

  it.each(CONFIGURED)('%s: %j', async (_title, ids, change) => {
    const conf = change(sound);
    expect(conf).not.toBe(sound);
    expect(await found(conf)).toEqual(ids);
  });

  /** Ids of everything that is told with that hpe.conf, notes too. */
  const told = async (conf: string, stateDir = at('state')): Promise<string[]> => {
    await writeFile(at('looked-at.conf'), conf, { mode: 0o600 });
    const parts = { configFile: at('looked-at.conf'), socketPath: at('hpe.sock'), stateDir, host: soundHost };
    return (await diagnose(parts)).map(({ id }) => id);
  };

  it('nothing is wrong, and two notes say how it is', async () => {
    expect(await told(sound)).toEqual(['metadata-local', 'host-versions']);
  });

  it("a plugin in a container is told of dockerd's own limit, which is no fault", async () => {
    const prefixed = sound.replace('[DEFAULT]', '[DEFAULT]\nhost_command_prefix = nice');
    expect(await found(prefixed)).toEqual([]);
    // The daemon says that it is no managed plugin.
    expect(await told(prefixed)).not.toContain('docker-timeout');
    await mkdir(at('nobody'), { mode: 0o700 });
    expect(await told(prefixed, at('nobody'))).toContain('docker-timeout');
    const short = prefixed.replace('[DEFAULT]', '[DEFAULT]\ndocker_timeout = 30');
    expect(await told(short, at('nobody'))).not.toContain('docker-timeout');
  });

  it('--learn-host-keys writes the keys that are missing, and never over another one', async () => {
    const learn = async (file: string) => {
      await writeFile(at('looked-at.conf'), sound.replace(at('known_hosts'), at(file)), { mode: 0o600 });
      return doctor(['--learn-host-keys', '--config', at('looked-at.conf')]);
    };
    const first = await learn('learnt_hosts');
    expect(first.exitCode).toBe(0);
    for (const [each, { sshHostKey }] of node.pair.arrays.entries())
      expect(first.lines[each]).toContain(`${sshHostKey} was written`);
    expect(await readFile(at('learnt_hosts'), 'utf8')).toBe(await readFile(at('known_hosts'), 'utf8'));
    expect((await learn('learnt_hosts')).lines.every((line) => line.includes('already'))).toBe(true);
    expect(await found(sound.replace(at('known_hosts'), at('learnt_hosts')))).toEqual([]);

    // An editor has left the last line without its end.
    const before = 'elsewhere.example ssh-ed25519 AAAA';
    await writeFile(at('open_hosts'), before);
    await learn('open_hosts');
    expect(await readFile(at('open_hosts'), 'utf8')).toBe(`${before}\n${await readFile(at('known_hosts'), 'utf8')}`);

    const others = await readFile(at('other_hosts'), 'utf8');
    const refused = await learn('other_hosts');
    expect(refused.exitCode).toBe(1);
    expect(refused.lines[0]).toMatch(/NOT the key.*next: .*ssh-keygen -R/);
    expect(await readFile(at('other_hosts'), 'utf8')).toBe(others);
  });

  it('every user may read passwords in hpe.conf', async () => {
    const conf = sound.replace(/^hpe3par_password_file.*/m, 'hpe3par_password = 3pardata');
    expect(await found(conf, { mode: 0o644 })).toEqual(['config-exposed', 'password-weak']);
  });

  it('no daemon runs, and a metadata directory that cannot be opened also leaves the certificates unproven', async () => {
    await mkdir(at('elsewhere'), { mode: 0o700 });
    expect(await found(sound, { stateDir: at('elsewhere') })).toEqual(['daemon-down']);
    await writeFile(at('elsewhere/metadata'), 'no directory');
    const conf = inSecond(sound, /hpe3par_ca_file:[^,]*,\s*/, '');
    const ids = await found(conf, { stateDir: at('elsewhere') });
    expect(ids).toEqual(['metadata-unreadable', 'array-trust-unknown', 'daemon-down']);
  });

  it.each([
    ['socket-exposed', 'hpe.sock', 0o666, 0o600],
    ['state-dir-exposed', 'state', 0o755, 0o700],
    ['socket-exposed', '.', 0o777, 0o700],
  ])('%s: others than root may use %s', async (id, name, wrong, right) => {
    await expectWhile(
      async () => chmod(at(name), wrong),
      async () => chmod(at(name), right),
      [id],
    );
  });

  it('an array answers with an error', async () => {
    const fault = {
      array: b.name,
      match: { method: 'GET', pathRegex: '/system' },
      effect: 'error',
      status: 403,
      code: 13,
      times: 50,
    } as const;
    await expectWhile(
      async () => node.control.fault(fault),
      async () => node.control.clearFaults(),
      ['array-answer'],
    );
  });

  it('an array is too old, or lacks licences', async () => {
    const without = (name: string) => ({ licenses: b.licenses.filter((each) => each !== name) });
    await expectWith(b as { os: string }, { os: '3.2.1' }, ['array-version']);
    await expectWith(b, without('Remote Copy'), ['array-licence']);
    await expectWith(b, without('Virtual Copy'), ['array-licence-snapshots']);
  });

  it("an array's clock is off, and its CPGs are in different domains", async () => {
    await expectWith(b as { clockAheadMs: number }, { clockAheadMs: 3_600_000 }, ['array-clock']);
    await expectWith(a.cpgs[1]!, { domain: 'other' }, ['array-cpg-domain']);
  });

  it('a port or all ports of an array are down', async () => {
    const [, one, two] = b.ports;
    await expectWith(one!, { ready: false }, ['array-portal']);
    await expectWhile(
      () => [one, two].forEach((port) => Object.assign(port!, { ready: false })),
      () => [one, two].forEach((port) => Object.assign(port!, { ready: true })),
      ['array-ports'],
    );
  });

  it('a portal cannot be reached from here, and no HBA sees the array', async () => {
    const conf = hpeConf(node.pair, { mode: 'asynchronous' });
    const real = sound.replace(/^loopback_fabric.*\n/m, '');
    expect(conf).not.toContain('loopback_fabric');
    const listeners = await Promise.all(PORTALS.flat().map(async (host) => listenAt(host)));
    try {
      expect(await found(real)).toEqual([]);
      await new Promise((resolve) => listeners.at(-1)?.close(resolve));
      expect(await found(real)).toEqual(['portal-unreachable']);
    } finally {
      for (const each of listeners) each.close();
    }
    const fc = real.replace('iscsi.HPE3PARISCSIDriver', 'fc.HPE3PARFCDriver');
    expect(await found(fc)).toEqual(['fc-not-zoned', 'fc-not-zoned']);
  });

  it('the links are down', async () => {
    await node.control.link(false);
    const ids = await found(sound);
    await node.control.link(true);
    expect(ids[0]).toBe('pair-links');
    expect(ids.slice(1)).toEqual(['group-stopped']);
    expect(await found(sound)).toEqual([]);
  });

  it('a group is stopped, lags, is late, or cannot be proven', async () => {
    const [one, other] = [groupAt(a), groupAt(b)];
    const member = one.members[0]!;
    await expectWhile(
      async () => operator(node.pair.arrays[0], 'stoprcopygroup -f g1'),
      async () => operator(node.pair.arrays[0], 'startrcopygroup g1'),
      ['group-stopped'],
    );
    await expectWith(member, { syncStatus: 'syncing' }, ['group-not-synced']);
    await expectWith(member, { lastSync: new Date(Date.now() - 10 * 86_400_000) }, ['group-sync-late']);
    await expectWith(other, { role: 'primary' }, ['group-not-proven']);
    await expectWith(other, { members: [] }, ['group-mismatch']);
  });

  it('rule 4: an export that nobody explains is named', async () => {
    const volume = one(await node.records('volume')).arrayName;
    const host = {
      id: 900,
      name: 'stranger',
      domain: undefined,
      persona: 2,
      descriptors: {},
      wwns: [],
      iqns: ['iqn.x'],
    };
    const left = { volume: a.getVolume(volume), lun: 7, host, pos: undefined };
    await expectWhile(
      () => a.vluns.push(left),
      () => (a.vluns = a.vluns.filter((each) => each !== left)),
      ['export-left'],
    );
  });

  it('an array has no session left', async () => {
    const match = { method: 'POST', pathRegex: '/credentials' };
    const fault = { array: b.name, match, effect: 'error', status: 503, code: 33, times: 50 } as const;
    await expectWhile(
      async () => node.control.fault(fault),
      async () => node.control.clearFaults(),
      ['array-sessions'],
    );
  });

  it('a change has failed and is not finished', async () => {
    expect(await node.docker.create('p2', { size: '1', replicationGroup: 'g1' })).toBe('');
    const arrayName = (await node.records('volume')).find(({ name }) => name === 'p2')!.arrayName;
    const match = { method: 'DELETE', pathRegex: `/volumes/${arrayName}` };
    await node.control.fault({ array: b.name, match, effect: 'error', status: 500, code: 3, times: 50 });
    expect(await node.docker.remove('p2')).toContain('what is left is finished later');
    expect(await found(sound)).toEqual(['operation-open']);
    await node.control.clearFaults();
    expect(await node.docker.remove('p2')).toBe('');
    expect(await found(sound)).toEqual([]);
  });

  it('a volume is of a backend that hpe.conf lost', async () => {
    expect(await node.docker.create('p1', { size: '1', backend: 'plain' })).toBe('');
    expect(await found(sound)).toEqual(['volume-backend']);
    expect(await node.docker.remove('p1')).toBe('');
    expect(await found(sound)).toEqual([]);
  });

  it('rule 46: doctor tells who writes to the stale copy after a failover', async () => {
    await node.docker.mount('v1', 'm1');
    expect(await found(sound)).toEqual([]);
    await operator(node.pair.arrays[0], 'stoprcopygroup -f g1');
    await operator(node.pair.arrays[1], `setrcopygroup failover -f ${groupAt(b).name}`);
    expect(await found(sound)).toEqual(['stale-copy', 'group-failed-over']);
    await node.docker.unmount('v1', 'm1');
    expect(await found(sound)).toEqual(['group-failed-over']);
    await operator(node.pair.arrays[1], `setrcopygroup recover -f ${groupAt(b).name}`);
    await operator(node.pair.arrays[1], `setrcopygroup restore -f ${groupAt(b).name}`);
    expect(await found(sound)).toEqual([]);
  });

  it('rule 40: a new etcd stays empty, and one that was wiped is not taken for this one', async () => {
    const etcd = await startEtcd();
    try {
      const conf = sound.replace('[DEFAULT]', `[DEFAULT]\nhost_etcd_ip_address = ${etcd.host}`);
      const stateDir = at('etcd-state');
      await mkdir(stateDir, { mode: 0o700 });
      expect(await found(conf, { stateDir })).toEqual(['daemon-down']);
      expect(await told(conf, stateDir)).toEqual(expect.arrayContaining(['etcd-new', 'host-versions', 'daemon-down']));
      const half = conf.replace(etcd.host, `${etcd.host},127.0.0.1:9`);
      expect(await found(half, { stateDir })).toEqual(['etcd-member', 'daemon-down']);
      expect(await etcd.ctl('get', '--prefix', '--keys-only', '/')).toBe('');
      const withTls = conf.replace('[DEFAULT]', `[DEFAULT]\nhost_etcd_ca_cert = ${node.pair.arrays[0].caFile}`);
      expect(await found(withTls, { stateDir })).toEqual(['etcd-tls', 'daemon-down']);
      const root = '7d3c1f0e-30e9-4a37-9d76-0d3a6e5c8a11';
      await writeFile(path.join(stateDir, 'metadata-identity.json'), JSON.stringify({ schema: 1, root }));
      expect(await found(conf, { stateDir })).toEqual(['etcd-stranger', 'daemon-down']);
    } finally {
      await etcd.stop();
    }
  });

  it('an etcd that breaks TLS off instead of closing is told as one without TLS', async () => {
    const breaking = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await new Promise<void>((resolve) => breaking.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = z.object({ port: z.number() }).parse(breaking.address());
      const keys = `host_etcd_ip_address = 127.0.0.1:${port}\nhost_etcd_ca_cert = ${node.pair.arrays[0].caFile}`;
      const stateDir = at('broken-off');
      await mkdir(stateDir, { mode: 0o700 });
      expect(await found(sound.replace('[DEFAULT]', `[DEFAULT]\n${keys}`), { stateDir })).toEqual([
        'etcd-tls',
        'daemon-down',
      ]);
    } finally {
      breaking.close();
    }
  });
});

const one = <T>(list: readonly T[]): T => {
  expect(list).toHaveLength(1);
  return list[0]!;
};

async function listenAt(host: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(3260, host, resolve);
  });
  return server;
}
