import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

/*
 * Every safety rule has tests whose titles begin with its number (rule 23: …; rules 32 and 33: …), and test/README.md says in
 * which files they are.
 */

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const RULES = 46;

function sourcesOf(folder: string): { name: string; text: string }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, text: readFileSync(path.join(folder, name), 'utf8') }));
}

/** The files in which a title begins with that rule. */
function titlesByRule(): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const { name, text } of sourcesOf(here)) {
    for (const [, numbers] of text.matchAll(/['"`]rules? ((?:\d+(?:, | and )?)+)[: ]/g)) {
      for (const number of (numbers ?? '').match(/\d+/g) ?? []) {
        const files = found.get(Number(number)) ?? [];
        if (!files.includes(name)) found.set(Number(number), [...files, name].toSorted());
      }
    }
  }
  return found;
}

/** Rows `| 23 | what | \`a.test.ts\`, \`b.ts\` |` of test/README.md. */
function tableOfReadme(): Map<number, string[]> {
  const rows = readFileSync(path.join(here, 'README.md'), 'utf8').matchAll(/^\| +(\d+) +\|[^|]*\|([^|]*)\|$/gm);
  return new Map([...rows].map(([, rule, files]) => [Number(rule), (files?.match(/[\w./-]+\.ts/g) ?? []).toSorted()]));
}

/** What stands between the parentheses of each `new DriverError(…)`. */
function errorsIn(text: string): string[] {
  return text
    .split('new DriverError(')
    .slice(1)
    .map((rest) => rest.split(/\n {0,8}\);|\);\n/)[0] ?? '');
}

describe('safety rules', () => {
  const titles = titlesByRule();

  it.each(Array.from({ length: RULES }, (_, i) => i + 1))('rule %i has a test that is named by it', (rule) => {
    expect(titles.get(rule) ?? []).not.toEqual([]);
  });

  it('test/README.md names the files for each', () => {
    expect(tableOfReadme()).toEqual(new Map([...titles].toSorted(([a], [b]) => a - b)));
  });

  it('rule 44: no refusal in the source leaves its reader without a next step', () => {
    const dumb = sourcesOf(path.join(here, '..', 'src'))
      .filter(({ name }) => !name.startsWith('simulator'))
      .flatMap(({ name, text }) => errorsIn(text).map((error) => ({ name, error: error.trim() })))
      .filter(({ error }) => /^'(refused|busy|fenced)'/.test(error) && !/\bnext\b/.test(error));
    expect(dumb).toEqual([]);
  });
});
