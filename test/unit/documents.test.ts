import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseConfig } from '../../src/config/config.js';
import { KEY_HELP } from '../../src/config/key-help.js';
import { findKey, KEY_NAMES } from '../../src/config/keys.js';
import { KINDS } from '../../src/domain/errors.js';
import { FINDINGS } from '../../src/doctor/finding.js';
import { tableRows } from '../options-table.js';
import { messages } from '../documents/error-rows.js';
import { findingRows } from '../documents/finding-rows.js';
import { GENERATED, root, unpadded, withGenerated } from '../documents/generated.js';

it.each([...GENERATED.keys()])('docs/%s is what the program says (if not: npm run docs)', (file) => {
  const text = readFileSync(path.join(root, 'docs', file), 'utf8');
  expect(unpadded(text)).toBe(unpadded(withGenerated(file, text)));
});

describe('the help of hpe.conf', () => {
  it('has every key that has an effect, and no other', () => {
    const effective = KEY_NAMES.filter((key) => findKey(key)?.unused === undefined);
    expect(new Set(KEY_HELP.keys())).toEqual(new Set(effective));
  });

  it.each([...KEY_HELP])(
    '%s: the example is good, and the default is what holds without it',
    (key, { usual, example }) => {
      if (key === 'replication_device') return;
      const without = configWith(key, undefined);
      expect(configWith(key, example)).toMatchObject({ warnings: [] });
      if (usual !== undefined) expect(configWith(key, usual).config).toEqual(without.config);
      else if (!SAME.test(KEY_HELP.get(key)?.meaning ?? ''))
        expect(configWith(key, example).config).not.toEqual(without.config);
    },
  );
});

/** Keys whose example may be what is there anyway, or that count with another one only. */
const SAME = /Required|^The key of passwords/;

const SECTION: Record<string, string> = {
  hpedockerplugin_driver: 'hpedockerplugin.hpe.hpe_3par_iscsi.HPE3PARISCSIDriver',
  hpe3par_api_url: 'https://10.9.0.1:8080/api/v1',
  hpe3par_username: 'u',
  hpe3par_password: 'p',
  san_ip: '10.9.0.1',
  san_password: 'p',
  hpe3par_cpg: 'FC_r6',
  hpe3par_iscsi_ips: '10.9.1.1',
};
const DEVICE: Record<string, string> = {
  ...SECTION,
  backend_id: 'other',
  replication_mode: 'asynchronous',
  cpg_map: 'FC_r6:FC_r1',
  snap_cpg_map: 'FC_r6:FC_r1 FC_r6s:FC_r5',
  hpe3par_api_url: 'https://10.9.0.2:8080/api/v1',
  san_ip: '10.9.0.2',
  san_login: 'admin',
};
const ETCD = { host_etcd_ip_address: '10.0.0.1' };
/** What has to stand beside a key for it to be good and to count. */
const BESIDE: Record<string, Record<string, string>> = {
  host_etcd_ca_cert: ETCD,
  host_etcd_port_number: ETCD,
  host_etcd_client_cert: { ...ETCD, host_etcd_client_key: '/key' },
  host_etcd_client_key: { ...ETCD, host_etcd_client_cert: '/cert' },
  snap_cpg_map: { hpe3par_snapcpg: 'FC_r6s' },
  quorum_witness_ip: { replication_mode: 'synchronous' },
};

/** A pair of arrays in which the key has that value. */
function configWith(key: string, value: string | undefined): ReturnType<typeof parseConfig> {
  const beside = value === undefined && BESIDE[key] !== ETCD ? {} : BESIDE[key];
  const own = { ...beside, ...(value === undefined ? {} : { [key]: value }) };
  const isSub = (name: string): boolean => findKey(name)?.scope === 'replication';
  // A password comes from one place.
  const replaced = value !== undefined && key.endsWith('password_file') ? key.replace('_file', '') : '';
  const entries = Object.entries(own);
  const mine = { ...SECTION, ...Object.fromEntries(entries.filter(([name]) => !isSub(name))) };
  const theirs = { ...DEVICE, ...Object.fromEntries(entries.filter(([name]) => isSub(name))) };
  const section = Object.entries(mine).filter(([name]) => name !== replaced);
  const sub = Object.entries(theirs).filter(([name]) => isSub(name) || findKey(name)?.scope === 'array');
  const lines = section.map(([name, text]) => `${name} = ${text}`);
  const device = sub.map(([name, text]) => `  ${name}:${text}`).join(',\n');
  const text = ['[DEFAULT]', ...lines, `replication_device =\n${device}`].join('\n');
  return parseConfig(text, 'hpe.conf');
}

describe('messages', () => {
  /** What these are is certain, or nobody knows it; of these the kind says what to do. */
  const MAY_LACK = ['invalid', 'not-found', 'unavailable', 'internal', 'usage', 'option', 'notice', 'hpe.conf'];
  const all = messages(root);

  it('of a refusal, a conflict, a lost lock or a lost answer say themselves what to do next', () => {
    const lacking = all.filter((each) => !each.hasNext && each.file !== 'array/codes.ts');
    const told = lacking.filter(({ kind }) => kind in KINDS).length;
    console.log(`${all.length} messages; ${told} of them leave it to their kind what to do`);
    expect(lacking.filter(({ kind }) => !MAY_LACK.includes(kind)).map(({ file, says }) => [file, says])).toEqual([]);
  });

  it('are found in every form that the source has for them', () => {
    const of = (file: string) => all.filter((each) => each.file === file);
    expect(of('array/codes.ts').length).toBeGreaterThan(40);
    expect(of('config/scan.ts').length).toBeGreaterThan(4);
    expect(of('host/multipath-conf.ts').filter(({ kind }) => kind === 'notice').length).toBeGreaterThan(5);
    expect(of('commands/override.ts').map(({ kind }) => kind)).toContain('usage');
    // The words of a constant and of a function of another file are there.
    expect(of('driver/mount-refusals.ts').map(({ fix }) => fix)).toContainEqual(
      expect.stringContaining('removevlun -f'),
    );
  });
});

describe('docs/doctor.md', () => {
  it.each(findingRows(root))('%s (%s): its cause and its fix are known', (id, severity, cause, fix) => {
    expect(severity).toBe(new Map<string, string>(Object.entries(FINDINGS)).get(id.replaceAll('`', '')));
    expect(cause.length).toBeGreaterThan(5);
    if (severity !== 'note') expect(fix.length).toBeGreaterThan(5);
  });
});

describe('docs/troubleshoot.md', () => {
  const text = readFileSync(path.join(root, 'docs/troubleshoot.md'), 'utf8');
  const rows = tableRows(text);
  const source = sourceText();

  it.each(rows.slice(Object.keys(KINDS).length).map(([says = '']) => [says]))('the plugin can still say %s', (says) => {
    const words = [...says.matchAll(/`([^`]*)`/g)].flatMap(([, quoted = '']) => quoted.split(/…|\b[A-Z]+\b|\d+|[()]/));
    const pieces = words.map((word) => word.trim()).filter((word) => word.length > 5);
    expect(pieces.filter((piece) => !source.includes(piece))).toEqual([]);
  });
});

/** All code, with the breaks between the pieces of a long message taken out. */
function sourceText(): string {
  const names = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const files = names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(path.join(root, 'src', name), 'utf8'));
  return files.join('\n').replaceAll(/[`']\s*\+\s*[`']/g, '');
}
