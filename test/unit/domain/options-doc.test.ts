import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { OPTION_NAMES } from '../../../src/domain/option-table.js';
import { parseVolumeOptions } from '../../../src/domain/options.js';
import { createExamples, optionRows, tableRows } from '../../options-table.js';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const root = path.join(here, '../../..');
const read = (name: string): string => readFileSync(path.join(root, 'docs', name), 'utf8');

describe('docs/options.md', () => {
  it('has the row of each option as the plugin has it', () => {
    expect(tableRows(read('options.md'))).toEqual(optionRows());
  });

  it('has examples that can be read', () => {
    const examples = createExamples(read('options.md'));
    expect(examples.length).toBeGreaterThan(4);
    for (const { options } of examples) parseVolumeOptions(options);
  });
});

describe('docs/migration.md', () => {
  const rows = tableRows(read('migration.md'));

  it.each(OPTION_NAMES.filter((name) => !['fsType', 'mountOptions'].includes(name)))('has a row for %s', (name) => {
    expect(rows.map(([first]) => first)).toContain(`\`${name}\``);
  });

  it('names tests that are there', () => {
    const files = rows.flatMap((row) => row.at(-1)?.match(/[\w./-]+\.test\.ts/g) ?? []);
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(path.join(root, 'test', file)))).toEqual([]);
  });
});
