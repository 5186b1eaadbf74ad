import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig, parseConfig } from '../../../src/config/config.js';
import type { BrokenFile } from './broken-file.js';
import { brokenReplication } from './broken-replication.js';
import { brokenSections } from './broken-sections.js';

const good = readFileSync(new URL('../../fixtures/hpe-conf/good.conf', import.meta.url), 'utf8');

function applyEdits({ edits }: BrokenFile): string {
  let text = good;
  for (const [from, to] of edits) {
    const edited = text.replace(from, () => to);
    expect(edited).not.toBe(text);
    text = edited;
  }
  return text;
}

function errorOf(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('a broken hpe.conf', () => {
  it('is compared with one that has no problem', () => {
    expect(parseConfig(good, 'hpe.conf').warnings).toEqual([]);
  });

  it.each([...brokenSections, ...brokenReplication].map((file) => [file.name, file] as const))(
    'with %s is explained',
    (_name, file) => {
      const error = errorOf(() => parseConfig(applyEdits(file), 'hpe.conf'));
      expect(error.message.split('\n')).toEqual(file.messages.map((message) => `hpe.conf${message}`));
      expect(error.message).not.toContain('hush');
    },
  );

  it('hands out its problems one by one, too', () => {
    const error = errorOf(() => parseConfig(good.replace('san_login =', 'san_logn ='), 'x'));
    expect(error.code).toBe('invalid');
    expect(error.problems).toEqual([
      { section: 'DEFAULT', key: 'san_logn', line: 9, what: 'the key is unknown', fix: 'did you mean san_login?' },
    ]);
  });

  it('that is not there is explained as well', () => {
    expect(errorOf(() => loadConfig('/nonexistent/hpe.conf')).message).toMatch(
      /^\/nonexistent\/hpe\.conf: \[DEFAULT\]: the file cannot be read: .*ENOENT.*; fix: name the file with --config/,
    );
  });
});
