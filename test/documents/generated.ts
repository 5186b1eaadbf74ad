import { fileURLToPath } from 'node:url';
import { MANUAL } from '../../src/commands/manual.js';
import { printManual } from '../../src/commands/print-manual.js';
import { KEY_HELP } from '../../src/config/key-help.js';
import { findKey, KEY_NAMES, type KeyScope } from '../../src/config/keys.js';
import { KINDS } from '../../src/domain/errors.js';
import { messageTables } from './error-rows.js';
import { findingRows } from './finding-rows.js';
import { licenceRows } from './licence-rows.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

type Part = () => string;

/** The parts of files below docs that are made of what the program itself reads: file → part → text. */
export const GENERATED: ReadonlyMap<string, Readonly<Record<string, Part>>> = new Map([
  [
    'configure.md',
    {
      daemon: () => keyTable('daemon'),
      backend: () => keyTable('backend'),
      array: () => keyTable('array'),
      replication: () => keyTable('replication'),
      unused: unusedKeys,
    },
  ],
  ['commands.md', { commands: commandPages }],
  ['messages.md', { messages: () => messageTables(root, table) }],
  ['troubleshoot.md', { kinds: kindTable }],
  ['doctor.md', { findings: () => table(['id', 'severity', 'cause', 'fix'], findingRows(root)) }],
  ['licences.md', { licences: () => table(['package', 'version', 'licence', 'needed by'], licenceRows(root)) }],
]);

/** The text with its generated parts as they have to be. @throws when a part has no place in it */
export function withGenerated(file: string, text: string): string {
  let result = text;
  for (const [name, part] of Object.entries(GENERATED.get(file) ?? {})) {
    const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end of ${name} -->`];
    const [from, to] = [result.indexOf(begin), result.indexOf(end)];
    if (from === -1 || to < from) throw new Error(`docs/${file} has no place for the part ${name}`);
    result = `${result.slice(0, from)}${begin}\n\n${part()}\n\n${result.slice(to)}`;
  }
  return result;
}

/** Without what formatting adds to tables. */
export const unpadded = (markdown: string): string =>
  markdown
    .replaceAll(/-{3,}/g, '---')
    .replaceAll(/ {2,}/g, ' ')
    .replaceAll(/\n{2,}/g, '\n');

function keyTable(scope: KeyScope): string {
  const rows = [...KEY_HELP]
    .filter(([key]) => findKey(key)?.scope === scope)
    .map(([key, { takes, usual, example, meaning }]) => [
      `\`${key}\``,
      meaning,
      takes,
      usual === undefined ? '' : `\`${usual}\``,
      `\`${example}\``,
    ]);
  return table(['key', 'meaning', 'takes', 'default', 'example'], rows);
}

function unusedKeys(): string {
  const rows = KEY_NAMES.map((key) => [`\`${key}\``, findKey(key)?.unused ?? '']).filter(([, why]) => why !== '');
  return table(['key', 'instead'], rows);
}

function kindTable(): string {
  const rows = Object.entries(KINDS).map(([kind, { cause, next }]) => [`\`${kind}\``, cause, next]);
  return table(['kind', 'cause', 'fix, where the message has none of its own'], rows);
}

function commandPages(): string {
  return [undefined, ...MANUAL.keys()]
    .map((name) => `## ${name ?? 'All commands'}\n\n\`\`\`text\n${(printManual(name) ?? []).join('\n')}\n\`\`\``)
    .join('\n\n');
}

function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}
