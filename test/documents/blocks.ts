import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './generated.js';

/** A block of code of a document, fenced or indented. */
export interface Block {
  /** Below the root of the project. */
  file: string;
  /** Where it begins, from 1. */
  line: number;
  language: string;
  text: string;
  /** The comment above it: `run by FILE`, or `not run: REASON`. */
  mark: string;
}

/** README.md, and everything below docs. */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join('docs', name))
    .toSorted(),
];

export const textOf = (file: string): string => readFileSync(path.join(root, file), 'utf8');

export function blocksOf(file: string): Block[] {
  const lines = textOf(file).split('\n');
  const blocks: Block[] = [];
  let open: { block: Block; body: string[]; indent: string; isFenced: boolean } | undefined;
  for (const [at, line] of lines.entries()) {
    const fence = /^(\s*)```(\w*)$/.exec(line);
    if (open !== undefined && (open.isFenced ? fence !== null : !line.startsWith(INDENT))) {
      blocks.push({ ...open.block, text: open.body.join('\n') });
      open = undefined;
    } else if (open !== undefined) open.body.push(line.replace(open.indent, ''));
    else if (fence !== null || (line.startsWith(INDENT) && lines[at - 1] === '')) {
      const block = { file, line: at + 1, language: fence?.[2] ?? '', text: '', mark: markAbove(lines, at) };
      const isFenced = fence !== null;
      open = { block, body: isFenced ? [] : [line.slice(INDENT.length)], indent: fence?.[1] ?? INDENT, isFenced };
    }
  }
  return blocks;
}

const INDENT = '    ';

function markAbove(lines: string[], at: number): string {
  const before = lines.slice(0, at).findLast((each) => each.trim() !== '') ?? '';
  return /^<!-- ((run by|not run:) .*) -->$/.exec(before.trim())?.[1] ?? '';
}

/** Continued lines made one. */
const joined = (text: string): string[] =>
  text
    .replaceAll(/\\\n\s*/g, '')
    .replaceAll(/\|\n\s*/g, '| ')
    .split('\n');

/** What is typed in a block: all of it, or the lines after a prompt; without the answers. */
export function typedIn({ language, text }: Block): string[] {
  if (language === 'text') return [];
  const whole = joined(text);
  const prompted = whole.filter((line) => line.startsWith(PROMPT)).map((line) => line.slice(PROMPT.length));
  const typed = prompted.length > 0 && language !== 'sh' ? prompted : whole;
  return typed.filter((line) => COMMAND.test(line));
}

const PROMPT = '# ';

/** The answers that stand in a block, by what is typed for them. */
export function answersIn(block: Block): Map<string, string> {
  const answers = new Map<string, string>();
  if (['sh', 'text', 'ini'].includes(block.language)) return answers;
  let typed: string | undefined;
  for (const line of joined(block.text)) {
    if (line.startsWith(PROMPT)) typed = line.slice(PROMPT.length);
    else if (typed !== undefined && COMMAND.test(typed)) answers.set(typed, `${answers.get(typed) ?? ''}${line}\n`);
  }
  return answers;
}

/** A line that a shell could run. */
const COMMAND =
  /^((\w+=\S+ )*(hpe-volume-plugin|docker|npm|node|mkdir|etcdctl|curl|systemctl|runc|install|cp|df)|ETCDCTL_API=\d etcdctl) /;
