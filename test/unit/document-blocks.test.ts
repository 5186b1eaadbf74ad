import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findKey } from '../../src/config/keys.js';
import { answersIn, blocksOf, DOCUMENTS, textOf, typedIn, type Block } from '../documents/blocks.js';
import { faultOf } from '../documents/check-command.js';
import { root } from '../documents/generated.js';
import { isSpoken } from '../documents/spoken.js';

const commands = DOCUMENTS.flatMap(blocksOf).filter((block) => typedIn(block).length > 0);
const where = ({ file, line }: { file: string; line: number }): string => `${file}:${line}`;
const testOf = (mark: string): string => mark.replace('run by ', '');

describe('command blocks of README.md and docs', () => {
  it('are run by a test, or say why not', () => {
    const run = commands.filter(({ mark }) => mark.startsWith('run by '));
    const not = commands.filter(({ mark }) => mark.startsWith('not run: '));
    const lines = not.map((block) => `  ${where(block)}: ${block.mark.replace('not run: ', '')}`);
    console.log(
      `${commands.length} command blocks: ${run.length} are run by a test, ${not.length} are not, whose commands and options are checked:\n${lines.join('\n')}`,
    );
    expect(commands.filter(({ mark }) => mark === '').map(where)).toEqual([]);
    expect(run.length).toBeGreaterThanOrEqual(21);
  });

  it('name tests that are there where they are not run', () => {
    const named = commands.flatMap(({ mark }) => mark.match(/test\/[\w./-]+\.(test\.ts|sh)/g) ?? []);
    expect(named.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it.each(commands.filter(({ mark }) => mark.startsWith('not run: ')).map((block) => [where(block), block] as const))(
    '%s is not run: the test that does the same has its commands and options in it, and the program can say what it prints',
    (_where, block) => {
      const named = /test\/[\w./-]+\.test\.ts/.exec(block.mark)?.[0];
      const text = named === undefined ? undefined : withImports(named);
      expect(text === undefined ? [] : wordsOfOurs(block).filter((word) => !text.includes(word))).toEqual([]);
      const printed = [...answersIn(block)].filter(([typed]) => /^hpe-volume-plugin|^docker volume create/.test(typed));
      const lines = printed.flatMap(([typed, answer]) =>
        answer
          .replaceAll(/([,;])\n/g, '$1 ')
          .split('\n')
          .filter((line) => /^[^…]*[a-z]{3}.*[a-z]{3}/.test(line) && !echoes(typed, line)),
      );
      expect(lines.filter((line) => !isSpoken(root, line))).toEqual([]);
    },
  );

  it('are run by tests that are there, and that read the document', () => {
    for (const { file, mark } of commands.filter((block) => block.mark.startsWith('run by '))) {
      expect([mark, existsSync(path.join(root, testOf(mark)))]).toEqual([mark, true]);
      expect(readFileSync(path.join(root, testOf(mark)), 'utf8')).toContain(path.basename(file));
    }
  });

  it.each(commands.map((block) => [where(block), block] as const))(
    '%s: commands and options exist',
    (_where, block) => {
      expect(
        typedIn(block)
          .map(faultOf)
          .filter((fault) => fault !== undefined),
      ).toEqual([]);
    },
  );

  it.each(DOCUMENTS)('%s: what the text and the indented lines name exists', (file) => {
    const spans = [...textOf(file).matchAll(/`([^`\n]+)`|^ {4}(\S.*)$/gm)].map(
      ([, inline, indented]) => inline ?? indented ?? '',
    );
    expect(spans.map(faultOf).filter((fault) => fault !== undefined)).toEqual([]);
  });

  it.each(
    DOCUMENTS.flatMap(blocksOf)
      .filter(({ language }) => language === 'ini')
      .map((block) => [where(block), block] as const),
  )('%s: keys of hpe.conf exist', (_where, { text }) => {
    const keys = [...text.matchAll(/^(\w+) = /gm)].map(([, key = '']) => key);
    expect(keys.filter((key) => findKey(key) === undefined)).toEqual([]);
  });
});

/** Shows only what was typed. */
const echoes = (typed: string, line: string): boolean =>
  [...line.matchAll(/[\w/]{2,}/g)].every(([word]) => typed.includes(word));

/** A test with what it imports of test/, and that imports. */
function withImports(file: string, depth = 0): string {
  const text = readFileSync(path.join(root, file), 'utf8');
  const own = [...text.matchAll(/from '(\.[^']+)\.js'/g)].map(([, name = '']) =>
    path.join(path.dirname(file), `${name}.ts`),
  );
  const more =
    depth > 1 ? [] : own.filter((each) => each.startsWith('test/')).map((each) => withImports(each, depth + 1));
  return [text, ...more].join('\n');
}

/** The commands of ours and the options of volumes that a block has. */
const wordsOfOurs = (block: Block): string[] =>
  typedIn(block).flatMap((line) => [
    ...[...line.matchAll(/hpe-volume-plugin ([a-z]+)/g)].map(([, name = '']) => name),
    ...[...line.matchAll(/-o ([\w-]+)=/g)].map(([, name = '']) => name),
  ]);

it.each([
  ['hpe-volume-plugin fail-over run RCG1', 'no command fail-over'],
  ['hpe-volume-plugin failover run RCG1 --force', 'failover has no option --force'],
  ['hpe-volume-plugin resize db', 'resize takes 2 words, and not: db'],
  ['hpe-volume-plugin verify RCG1 --backend gold', undefined],
  ['docker volume create -d hpe --name x -o sise=1', 'no option sise'],
  ['docker volume destroy x', 'docker volume has no destroy'],
  ['docker run -v x:/data IMAGE', undefined],
])('%s: %s', (line, fault) => {
  expect(faultOf(line)).toBe(fault);
});

it.each(DOCUMENTS)('%s: its links lead to files and headings that are there', (file) => {
  for (const [, target = ''] of textOf(file).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(target)) continue;
    const [name = '', heading] = target.split('#');
    const at = name === '' ? file : path.join(path.dirname(file), name);
    expect([target, existsSync(path.join(root, at))]).toEqual([target, true]);
    if (heading !== undefined) expect([target, anchorsOf(at).includes(heading)]).toEqual([target, true]);
  }
});

it('every document is found from another one', () => {
  const linked = DOCUMENTS.flatMap((file) =>
    [...textOf(file).matchAll(/\]\(([^)#\s]+)/g)].map(([, target = '']) => path.join(path.dirname(file), target)),
  );
  expect(DOCUMENTS.filter((file) => file !== 'README.md' && !linked.includes(file))).toEqual([]);
});

const anchorsOf = (file: string): string[] =>
  [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
