import { MANUAL, OPTIONS, type Page } from './manual.js';
import { PROGRAM } from './print-manual.js';
import { UsageError } from './usage.js';

/** What follows at once after a command that takes a word of ours. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['failover', 'plan run'],
  ['failback', 'plan run'],
  ['completion', 'bash'],
]);

/** `completion bash`: a script for bash, which asks nobody anything. @throws UsageError */
export function completion(args: string[]): string[] {
  if (args.length !== 1 || args[0] !== 'bash') {
    throw new UsageError(
      'completion takes the name of a shell: bash (whose script zsh reads, too, after bashcompinit)',
    );
  }
  return [
    `# Completion of ${PROGRAM} for bash; made by: ${PROGRAM} completion bash`,
    '_hpe_volume_plugin() {',
    '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=',
    '  case $before in',
    `    ${filesAre('FILE')}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
    `    ${filesAre('DIR')}) COMPREPLY=($(compgen -d -- "$word")); return ;;`,
    '    --side) COMPREPLY=($(compgen -W "primary secondary" -- "$word")); return ;;',
    `    ${free()}) return ;;`,
    '  esac',
    `  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${[...MANUAL.keys()].join(' ')} --help" -- "$word")); return; fi`,
    '  case $command in',
    ...[...MANUAL].map(([name, page]) => `    ${name}) words="${optionsOf(page)}" ;;`),
    '  esac',
    '  if [ "$COMP_CWORD" -eq 2 ]; then',
    '    case $command in',
    ...[...WORDS].map(([name, words]) => `      ${name}) words="${words} $words" ;;`),
    '      backup|restore) if [[ $word != -* ]]; then COMPREPLY=($(compgen -f -- "$word")); return; fi ;;',
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '}',
    `complete -o filenames -F _hpe_volume_plugin ${PROGRAM}`,
  ];
}

const optionsOf = (page: Page): string => [...page.options, 'help'].map((name) => `--${name}`).join(' ');

/** The options whose value is asked for in that way, as a pattern of bash. */
function patterns(isOne: (value: string) => boolean): string {
  const found = Object.entries(OPTIONS).filter(([, option]) => 'value' in option && isOne(option.value));
  return found.map(([name]) => `--${name}`).join('|');
}

const filesAre = (what: 'FILE' | 'DIR'): string =>
  patterns((value) => (what === 'DIR' ? value === 'DIR' : value === 'PATH' || value.startsWith('FILE')));

/** Options with a value that only the operator knows. */
const free = (): string => patterns((value) => !/^(FILE|PATH|DIR|primary)/.test(value));
