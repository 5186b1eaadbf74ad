import { MANUAL, OPTIONS } from '../../src/commands/manual.js';
import { OPTION_NAMES } from '../../src/domain/option-table.js';

/** Subcommands of docker volume. */
const VERBS = ['create', 'inspect', 'ls', 'rm', 'prune', 'update'];

/** What a command line has that does not exist; undefined when all of it does, or when it is not ours to judge. */
export function faultOf(line: string): string | undefined {
  // Neither a placeholder's brackets nor what a shell makes of the answer.
  const text = line.replaceAll(/[[\]]/g, ' ').split(/\s(?:--?|\||&&|>|;|\()(?:\s|$)/)[0] ?? '';
  const words = (text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', ''));
  if (words[0] === 'hpe-volume-plugin') return ours(words.slice(1));
  if (words[0] === 'docker' && words[1] === 'volume') return dockers(words.slice(2));
  return undefined;
}

function ours([first = '', ...rest]: string[]): string | undefined {
  if (first === '' || first === '…' || first === 'COMMAND' || first === 'help' || first === '--help') return undefined;
  // A synopsis names two commands at once.
  const pages = first.split('|').map((name) => MANUAL.get(name));
  if (pages.includes(undefined)) return `no command ${first}`;
  const known = pages.flatMap((page): string[] => page?.options ?? []);
  for (const word of rest) {
    const name = /^--([\w-]+)/.exec(word)?.[1];
    if (name !== undefined && name !== 'help' && !known.includes(name)) return `${first} has no option --${name}`;
  }
  return positional(first, rest);
}

/** Commands that take exactly these words besides options. */
const WORDS: ReadonlyMap<string, number> = new Map([
  ['failover', 2],
  ['failback', 2],
  ['drill', 1],
  ['verify', 1],
  ['resize', 2],
  ['release', 1],
  ['override', 1],
  ['backup', 1],
  ['restore', 1],
]);

function positional(command: string, words: string[]): string | undefined {
  const wanted = WORDS.get(command);
  // The bare command in a sentence.
  if (wanted === undefined || words.length === 0) return undefined;
  const values = words.filter((word, at) => !word.startsWith('--') && !takesValue(words[at - 1]));
  return values.length === wanted ? undefined : `${command} takes ${wanted} words, and not: ${values.join(' ')}`;
}

function takesValue(word: string | undefined): boolean {
  const option = Object.entries(OPTIONS).find(([name]) => `--${name}` === word);
  return option !== undefined && 'value' in option[1];
}

function dockers([verb = '', ...rest]: string[]): string | undefined {
  if (!VERBS.includes(verb)) return `docker volume has no ${verb}`;
  if (verb !== 'create') return undefined;
  const names = rest.flatMap((word, at) => (rest[at - 1] === '-o' ? [word.split('=')[0] ?? ''] : []));
  const known: readonly string[] = [...OPTION_NAMES, 'help', '…'];
  const unknown = names.find((name) => !known.includes(name));
  return unknown === undefined ? undefined : `no option ${unknown}`;
}
