import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findKey } from '../../src/config/keys.js';
import { blocksOf, DOCUMENTS, textOf, typedIn } from '../documents/blocks.js';
import { faultOf } from '../documents/check-command.js';
import { root } from '../documents/generated.js';

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
    expect(run.length).toBeGreaterThanOrEqual(17);
  });

  it('name tests that are there where they are not run', () => {
    const named = commands.flatMap(({ mark }) => mark.match(/test\/[\w./-]+\.(test\.ts|sh)/g) ?? []);
    expect(named.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

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

const anchorsOf = (file: string): string[] =>
  [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
