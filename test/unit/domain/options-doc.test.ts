import { readFileSync } from 'node:fs';
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

  it.each(rows.map(([option = '', ...cells]) => ({ option: option.replaceAll('`', ''), proof: cells.at(-1) ?? '' })))(
    'names tests that are there, and are about $option',
    ({ option, proof }) => {
      const tests = [...proof.matchAll(/`([\w./-]+\.test\.ts)`: ((?:“[^”]+”(?:, )?)+)/g)].map(
        ([, file = '', titles = '']) => ({
          text: readFileSync(path.join(root, 'test', file), 'utf8'),
          titles: [...titles.matchAll(/“([^”]+)”/g)].map(([, title]) => title ?? ''),
        }),
      );
      const missing = tests.flatMap(({ text, titles }) => titles.filter((title) => !hasString(text, title)));
      expect(missing).toEqual([]);
      expect(tests.some(({ text }) => text.includes(option))).toBe(true);
      // Nothing stands there that is not such a test.
      expect(tests).toHaveLength((proof.match(/`/g) ?? []).length / 2);
    },
  );
});

/** Whether those words stand in a title, or in what a title is made of. */
const hasString = (text: string, words: string): boolean =>
  text.split('\n').some((line) => [...line.matchAll(/(['"`])(?:(?!\1).)*\1/g)].some(([each]) => each.includes(words)));
