import { KEY_HELP } from '../config/key-help.js';
import { MANUAL, OPTIONS, type Page } from './manual.js';

export const PROGRAM = 'hpe-volume-plugin';
/** What `help` knows besides the commands. */
const FILE = 'hpe.conf';
const WIDTH = 100;
const INDENT = '    ';

/** All commands, a line each; the page of one of them; or the keys of hpe.conf. Undefined for what nobody knows. */
export function printManual(command: string | undefined): string[] | undefined {
  if (command === undefined) return overview();
  if (command === FILE) return printKeys();
  const page = MANUAL.get(command);
  return page === undefined ? undefined : printPage(command, page);
}

/** How it is typed, in a line for each form; all commands when there is none of that name. */
export function printUsage(command: string | undefined): string[] {
  const page = command === undefined ? undefined : MANUAL.get(command);
  const forms = page === undefined ? ['COMMAND [OPTIONS]'] : page.forms;
  return [
    ...forms.map((form, at) => `${at === 0 ? 'usage:' : '      '} ${PROGRAM} ${form}`),
    `${PROGRAM} ${page === undefined ? '' : `${command} `}--help tells more`,
  ];
}

function overview(): string[] {
  const width = Math.max(...[...MANUAL.keys()].map((name) => name.length));
  return [
    `usage: ${PROGRAM} COMMAND [OPTIONS]`,
    '',
    ...[...MANUAL].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    `${PROGRAM} COMMAND --help tells more about one, ${PROGRAM} help ${FILE} about its keys. Exit codes: 0 done, 1 refused or failed, 2 not understood.`,
  ];
}

function printPage(command: string, page: Page): string[] {
  return [
    ...section('NAME', [`${PROGRAM} ${command} - ${page.summary}`]),
    ...section(
      'SYNOPSIS',
      page.forms.map((form) => `${PROGRAM} ${form}`),
    ),
    ...section(
      'DESCRIPTION',
      page.about.flatMap((text, at) => [...(at === 0 ? [] : ['']), ...wrapped(text)]),
    ),
    ...section(
      'OPTIONS',
      page.options.flatMap((name) => optionLines(name)),
    ),
    ...section(
      'EXAMPLES',
      page.examples.map((each) => `${PROGRAM} ${each}`),
    ),
    ...section('EXIT CODE', ['0 done, 1 refused or failed, 2 the command line or hpe.conf is wrong']),
    ...(page.more === undefined ? [] : section('SEE ALSO', [`docs/${page.more}`])),
  ].slice(0, -1);
}

const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : [title, ...lines.map((line) => `${INDENT}${line}`.trimEnd()), ''];

function optionLines(name: Page['options'][number]): string[] {
  const option: { value?: string; meaning: string } = OPTIONS[name];
  return [`--${name}${option.value === undefined ? '' : ` ${option.value}`}`, `${INDENT}${option.meaning}`];
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function printKeys(): string[] {
  return [...KEY_HELP].flatMap(([key, { takes, usual, example, meaning }]) => [
    `${key} = ${example}`,
    ...wrapped(meaning).map((line) => `${INDENT}${line}`),
    `${INDENT}(${takes}${usual === undefined ? '' : `; default: ${usual}`})`,
  ]);
}
