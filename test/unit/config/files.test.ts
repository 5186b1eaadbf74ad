import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig, parseConfig } from '../../../src/config/config.js';

const text = readFileSync(new URL('../../fixtures/hpe-conf/files.conf', import.meta.url), 'utf8');
const dir = mkdtempSync(path.join(tmpdir(), 'hpe-conf-'));
afterAll(() => rmSync(dir, { recursive: true }));

function messages(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('the files that hpe.conf names', () => {
  it('may be anywhere when nobody looks', () => {
    expect(parseConfig(text, 'hpe.conf').config.backends.size).toBe(2);
  });

  it('are named with their section, key and line when they cannot be read, each once, with all other problems', () => {
    const broken = text.replace('logging = INFO', 'logging = LOUD');
    const refuse = (file: string): string | undefined => (file === '/c/two.pem' ? undefined : `no ${file.length}`);
    const fix = 'fix: name a file that the plugin can read';
    expect(messages(() => parseConfig(broken, 'my.conf', { canRead: refuse }))).toEqual([
      'my.conf:2: [DEFAULT] logging: "LOUD" is none of the possible words; fix: write debug, info, warning, warn, error or critical',
      `my.conf:4: [DEFAULT] host_etcd_ca_cert: "/c/etcd.pem" cannot be read: no 11; ${fix}`,
      `my.conf:5: [DEFAULT] host_etcd_client_cert: "/c/client.pem" cannot be read: no 13; ${fix}`,
      `my.conf:6: [DEFAULT] host_etcd_client_key: "/c/client.key" cannot be read: no 13; ${fix}`,
      `my.conf:15: [backend_defaults] san_private_key: "/c/id_rsa" cannot be read: no 9; ${fix}`,
      `my.conf:20: [one] hpe3par_ca_file: "/c/one.pem" cannot be read: no 10; ${fix}`,
      `my.conf:26: [one] replication_device.hpe3par_ca_file: "/c/partner.pem" cannot be read: no 14; ${fix}`,
    ]);
  });

  it('of etcd do not matter without etcd', () => {
    const without = text.replace('= 10.0.0.9', '= 0.0.0.0');
    const asked: string[] = [];
    parseConfig(without, 'hpe.conf', { canRead: (file) => void asked.push(file) });
    expect(asked).toContain('/c/one.pem');
    expect(asked.filter((file) => /etcd|client/.test(file))).toEqual([]);
  });

  it('are not looked for when the path is no path', () => {
    const asked: string[] = [];
    const broken = text.replace('/c/one.pem', 'one.pem');
    expect(messages(() => parseConfig(broken, 'hpe.conf', { canRead: (file) => void asked.push(file) }))).toEqual([
      'hpe.conf:20: [one] hpe3par_ca_file: "one.pem" is not an absolute path; fix: write the path from / on',
    ]);
    expect(asked).not.toContain('one.pem');
  });

  it('are tried when the plugin starts: a directory is none, and one that is there is good', () => {
    const conf = path.join(dir, 'hpe.conf');
    writeFileSync(path.join(dir, 'there'), '');
    const named = (file: string): string => text.replaceAll(/\/c\/\S+/g, file);
    writeFileSync(conf, named(path.join(dir, 'there')));
    expect(messages(() => loadConfig(conf))).toEqual([]);

    writeFileSync(conf, named(path.join(dir, 'there')).replace(path.join(dir, 'there'), dir));
    expect(messages(() => loadConfig(conf))).toEqual([
      `${conf}:4: [DEFAULT] host_etcd_ca_cert: "${dir}" cannot be read: it is not a file; fix: name a file that the plugin can read`,
    ]);

    writeFileSync(conf, named('/nonexistent/file'));
    expect(messages(() => loadConfig(conf))).toHaveLength(7);
    expect(messages(() => loadConfig(conf))[6]).toBe(
      `${conf}:29: [two] hpe3par_ca_file: "/nonexistent/file" cannot be read: ENOENT: no such file or directory; fix: name a file that the plugin can read`,
    );
  });
});
