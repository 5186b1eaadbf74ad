import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseConfig, type BackendConfig, type Config, type ParsedConfig } from '../../../src/config/config.js';

const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/hpe-conf/${name}`, import.meta.url), 'utf8');
const good = fixture('good.conf');

/** good.conf with one thing changed. */
function edited(from: string | RegExp, to: string): ParsedConfig {
  const text = good.replace(from, () => to);
  expect(text).not.toBe(good);
  return parseConfig(text, 'hpe.conf');
}

function backend(config: Config, name = 'DEFAULT'): BackendConfig {
  const found = config.backends.get(name);
  if (found === undefined) throw new Error(`no backend ${name}`);
  return found;
}

const secretsOf = ({ primary, secondary }: BackendConfig): (string | undefined)[] =>
  [primary.password, primary.sanPassword, secondary?.password, secondary?.sanPassword].map((each) => each?.reveal());

const texts = ({ warnings }: ParsedConfig): string[] =>
  warnings.map(({ key, line, what }) => `${line} ${key}: ${what}`);

describe('the samples of the old documentation', () => {
  it('for iSCSI means what it plainly says', () => {
    const parsed = parseConfig(fixture('printed-iscsi.conf'), 'hpe.conf');
    const { etcd, logging } = parsed.config;
    expect({ etcd, logging }).toEqual({ etcd: { hosts: [{ host: '10.0.0.9', port: 2379 }] }, logging: 'debug' });
    const found = backend(parsed.config);
    expect(found).toMatchObject({
      name: 'DEFAULT',
      protocol: 'iscsi',
      primary: {
        apiUrl: 'https://10.0.0.1:8080/api/v1',
        cpg: 'FC_r6',
        snapCpg: 'FC_r6s',
        iscsiIps: [
          { host: '10.1.0.1', port: 3260 },
          { host: '10.1.0.2', port: 3261 },
        ],
        hostKeyCheck: 'pin',
        hostKeysFile: '/root/.ssh/known_hosts',
      },
      secondary: {
        apiUrl: 'https://10.0.0.2:8080/api/v1',
        username: 'u',
        sanIp: '10.0.0.2',
        sanLogin: 'u',
        cpg: 'FC_r1',
        snapCpg: 'FC_r1s',
        iscsiIps: [
          { host: '10.1.1.1', port: 3260 },
          { host: '10.1.1.2', port: 3260 },
        ],
      },
      replication: { target: 'targetArray', mode: 'synchronous', secondaryWwn: 'different' },
    });
    expect(secretsOf(found)).toEqual(['p', 'p', 'p', 'p']);
    expect(texts(parsed)).toEqual([
      '19 hpe3par_debug: the key has no effect',
      '22 enforce_multipath: the key has no effect',
      '24 replication_device: the key is set again in line 25, and the last one counts',
    ]);
  });

  it('for Fibre Channel means what it plainly says', () => {
    const { config } = parseConfig(fixture('printed-fc.conf'), 'hpe.conf');
    expect(config.etcd?.hosts).toEqual([
      { host: '10.0.0.9', port: 2379 },
      { host: '10.0.0.10', port: 4001 },
    ]);
    const found = backend(config);
    expect(found).toMatchObject({
      protocol: 'fc',
      primary: { cpg: 'FC_r6', snapCpg: 'FC_r6', iscsiIps: [] },
      secondary: { apiUrl: 'https://10.0.0.2:8080/api/v1', cpg: 'FC_r1', snapCpg: 'FC_r1s', iscsiIps: [] },
      replication: { target: 'targetArray' },
    });
    expect(secretsOf(found)).toEqual(['p', 'p', 'p', 'p']);
  });
});

describe('sections', () => {
  const { config, warnings } = parseConfig(fixture('several-backends.conf'), 'hpe.conf');

  it('are backends, except backend_defaults', () => {
    expect([...config.backends.keys()]).toEqual(['DEFAULT', 'site.two', 'three']);
    expect(warnings).toEqual([]);
  });

  it('read the old spelling of keys, `:` for `=`, and quotes', () => {
    expect(backend(config).primary).toMatchObject({
      apiUrl: 'https://array-1.example:8080/api/v1',
      sanLogin: 'admin',
      cpgs: ['A', 'B'],
    });
    expect(backend(config).primary.password.reveal()).toBe('quoted');
  });

  it('take from backend_defaults what they do not say, and from DEFAULT only the check of host keys', () => {
    expect(backend(config, 'site.two')).toMatchObject({
      protocol: 'iscsi',
      primary: {
        username: 'shared',
        cpg: 'C',
        tlsVerify: false,
        hostKeyCheck: 'strict',
        hostKeysFile: '/etc/hosts_keys',
        iscsiIps: [
          { host: '2001:db8::1', port: 3261 },
          { host: '2001:db8::2', port: 3260 },
        ],
      },
    });
    expect(backend(config, 'three').primary).toMatchObject({
      username: 'own',
      hostKeyCheck: 'pin',
      fingerprint: 'aabbccddeeff00112233445566778899'.repeat(2),
    });
  });

  it('warn of daemon keys, which count in DEFAULT only', () => {
    const parsed = parseConfig(fixture('several-backends.conf').replace('[three]', '[three]\nlogging = DEBUG'), 'x');
    expect(texts(parsed)).toEqual(['27 logging: the key has an effect only in [DEFAULT]']);
    expect(parsed.config.logging).toBe('warning');
  });

  it('may leave DEFAULT without an array', () => {
    const parsed = parseConfig(`[DEFAULT]\nlogging = ERROR\n${good.replace('[DEFAULT]', '[one]')}`, 'hpe.conf');
    expect([...parsed.config.backends.keys()]).toEqual(['one']);
    expect(parsed.warnings[0]?.what).toBe('the section describes no array, so there is no backend DEFAULT');
    expect(parsed.config.logging).toBe('error');
  });
});

describe('the daemon', () => {
  it.each([
    ['nothing', ''],
    ['0.0.0.0', 'host_etcd_ip_address = 0.0.0.0\nhost_etcd_port_number = 2379\n'],
  ])('keeps its metadata itself when etcd is %s', (_what, line) => {
    expect(edited(/host_etcd_ip_address.*\n/, line).config.etcd).toBeUndefined();
  });

  it('takes the port of etcd from where it is said', () => {
    const line = 'host_etcd_ip_address = 10.0.0.1,10.0.0.2:2380 , etcd.example\nhost_etcd_port_number = 4001\n';
    expect(edited(/host_etcd_ip_address.*\n/, line).config.etcd).toEqual({
      hosts: [
        { host: '10.0.0.1', port: 4001 },
        { host: '10.0.0.2', port: 2380 },
        { host: 'etcd.example', port: 4001 },
      ],
    });
  });

  it('reads the files of etcd, and the rest', () => {
    const lines = `host_etcd_ca_cert = /ca\nhost_etcd_client_cert = /cert\nhost_etcd_client_key = /key
mount_prefix = /mnt\ndocker_timeout = 30\nlogging = critical`;
    expect(edited('logging = INFO', lines).config).toMatchObject({
      etcd: { tls: { caFile: '/ca', client: { certFile: '/cert', keyFile: '/key' } } },
      mountPrefix: '/mnt',
      dockerTimeoutSeconds: 30,
      logging: 'error',
    });
  });
});

describe('how volumes are attached', () => {
  const line = (text: string): ParsedConfig => edited('san_login = u1', `${text}\nsan_login = u1`);

  it('is over multipath, without CHAP and without a prefix, when nothing is said', () => {
    const { config } = parseConfig(good, 'hpe.conf');
    expect(config.hostCommandPrefix).toEqual([]);
    expect(backend(config)).toMatchObject({ usesMultipath: true, minimumPaths: 1, chap: false });
  });

  it('is as the file says', () => {
    const lines = `use_multipath = False\nmultipath_minimum_paths = 3\nhpe3par_iscsi_chap_enabled = True
host_command_prefix = nsenter  --mount=/proc/1/ns/mnt --`;
    const { config, warnings } = line(lines);
    expect(warnings).toEqual([]);
    expect(config.hostCommandPrefix).toEqual(['nsenter', '--mount=/proc/1/ns/mnt', '--']);
    expect(backend(config)).toMatchObject({ usesMultipath: false, minimumPaths: 3, chap: true });
  });

  it('has CHAP for both arrays when one of them wants it, and never with Fibre Channel', () => {
    const device = edited('san_ip:10.0.0.2,', 'san_ip:10.0.0.2,hpe3par_iscsi_chap_enabled:true,');
    expect(backend(device.config)).toMatchObject({ chap: true, primary: { chap: false }, secondary: { chap: true } });
    const inherited = line('hpe3par_iscsi_chap_enabled = yes');
    expect(backend(inherited.config).secondary?.chap).toBe(true);
    expect(texts(inherited)).toEqual([]);
    const text = good
      .replace('iscsi.HPE3PARISCSI', 'fc.HPE3PARFC')
      .replace('logging', 'hpe3par_iscsi_chap_enabled=1\nlogging');
    expect(backend(parseConfig(text, 'hpe.conf').config).chap).toBe(false);
  });
});

describe('passwords', () => {
  it.each([
    'a;b',
    '#a',
    'a=b',
    'a:b',
    'a,b',
    'a"b',
    "'a",
    'a#b;c',
    '+CB1E8Je1j8=',
    'true',
    '$x{y}',
    'a\\nb',
    'pässwörd-✓',
  ])('hold %s as it is written', (password) => {
    const section = edited('hpe3par_password = hush;1#=,:', `hpe3par_password = ${password}`);
    expect(backend(section.config).primary.password.reveal()).toBe(password);
    const device = edited('hpe3par_password:hush;3#=:,', `hpe3par_password:${password},`);
    expect(backend(device.config).secondary?.password.reveal()).toBe(password);
    expect(texts(section)).toEqual([]);
    expect(texts(device)).toEqual(
      password.includes(',')
        ? ['20 replication_device.hpe3par_password: a comma was taken as part of the password']
        : [],
    );
  });

  it('hold what looks like a comment, with a warning', () => {
    const parsed = edited('= hush-2', '= hush # not a comment');
    expect(backend(parsed.config).primary.sanPassword.reveal()).toBe('hush # not a comment');
    expect(parsed.warnings[0]).toMatchObject({ key: 'san_password', line: 10 });
    expect(JSON.stringify(parsed.warnings)).not.toContain('hush');
  });

  it('lose one pair of quotes in a section, and none in replication_device', () => {
    expect(secretsOf(backend(edited('= hush-2', '= "hush 2"').config))[1]).toBe('hush 2');
    expect(secretsOf(backend(edited(':hush-4', ':"hush 4"').config))[3]).toBe('"hush 4"');
  });

  it('are never printed', () => {
    expect(JSON.stringify([...parseConfig(good, 'x').config.backends.values()])).not.toContain('hush');
  });
});

describe('replication_device', () => {
  const device = (text: string): ParsedConfig => edited(/replication_device[^]*$/, text);
  const lines = good.slice(good.indexOf('replication_device')).split('\n');

  it.each([
    ['on one line', lines.map((line) => line.trim()).join(' ')],
    ['with `:` after its name', lines.join('\n').replace('replication_device =', 'replication_device:')],
    ['without any comma at a line end', lines.map((line) => line.replace(/,$/, '')).join('\n')],
    ['with `=` for `:`', lines.map((line) => line.replace(/^( +\w+):/, '$1 = ')).join('\n')],
    ['beginning on its second line', lines.join('\n').replace('= backend_id', '=\n  backend_id')],
    ['with comments and blank lines inside', lines.join('\n# col 0\n\n   # indented, with: a colon\n')],
    ['with Windows line ends', lines.join('\r\n')],
    ['with a comma and a blank at its end', `${lines.join('\n').trimEnd()}, `],
    ['with commas between its addresses', lines.join('\n').replace('10.1.1.1;10.1.1.2', '10.1.1.1,\n  10.1.1.2')],
    ['in the old spelling', lines.join('\n').replaceAll('hpe3par_', 'hp3par_')],
  ])('reads the same %s', (_how, text) => {
    const parsed = device(text);
    const expected = parseConfig(good, 'hpe.conf').config;
    expect(parsed.config).toEqual(expected);
    expect(secretsOf(backend(parsed.config))).toEqual(secretsOf(backend(expected)));
    expect(parsed.warnings).toEqual([]);
  });

  it('maps CPGs by the CPG that volumes are made on', () => {
    const { config } = edited('cpg_map:FC_r6:FC_r1,', 'cpg_map:SSD:SSD_r1 FC_r6:FC_r5,');
    expect(backend(config).secondary).toMatchObject({ cpg: 'FC_r5', cpgs: ['SSD_r1', 'FC_r5'] });
    const spread = edited('cpg_map:FC_r6:FC_r1,', 'cpg_map:SSD:SSD_r1\n   FC_r6:FC_r5,');
    expect(backend(spread.config).secondary?.cpg).toBe('FC_r5');
    const parsed = edited('cpg_map:FC_r6:FC_r1,', 'cpg_map:SSD:SSD_r1 X:Y,');
    expect(backend(parsed.config).secondary?.cpg).toBe('SSD_r1');
    expect(texts(parsed)[0]).toContain('has no pair for FC_r6');
  });

  it('takes credentials from the primary array with a warning, policies in silence, certificates never', () => {
    const policies = 'ssh_conn_timeout = 7\nhpe3par_tls_verify = no\nhpe3par_ca_file = /ca\n';
    const text = good
      .replace('san_login = u1', `${policies}san_login = u1`)
      .replace(/ +(hpe3par_username|san_p).*\n/g, '');
    const parsed = parseConfig(text, 'hpe.conf');
    const found = backend(parsed.config);
    expect(found.secondary).toMatchObject({ username: 'u1', sshTimeoutSeconds: 7, tlsVerify: false });
    expect(found.secondary?.caFile).toBeUndefined();
    expect(secretsOf(found)[3]).toBe('hush-2');
    expect(texts(parsed).map((each) => each.split(',')[0])).toEqual([
      '17 replication_device.hpe3par_username: is missing',
      '17 replication_device.san_password: is missing',
    ]);
  });

  it.each([
    ['synchronous', 'Synchronous,', undefined, 0],
    ['asynchronous', 'asynchronous,', 900, 0],
    ['asynchronous', 'asynchronous,sync_period:300,', 300, 0],
    ['streaming', 'streaming,sync_period:300,', undefined, 1],
  ])('replicates %s by "%s"', (mode, text, period, warnings) => {
    const parsed = edited('synchronous,', text);
    expect(backend(parsed.config).replication).toMatchObject({ mode });
    expect(backend(parsed.config).replication?.syncPeriodSeconds).toBe(period);
    expect(parsed.warnings).toHaveLength(warnings);
  });

  it('is no replication when it is empty', () => {
    const { config } = device('replication_device =\n');
    expect(backend(config).secondary).toBeUndefined();
    expect(backend(config).replication).toBeUndefined();
  });
});
