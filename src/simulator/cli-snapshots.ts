import { CliError, parseArguments } from './cli-arguments.js';
import type { Arguments } from './cli-arguments.js';
import type { Command } from './cli-command.js';
import { MAX_EXPIRATION_HOURS } from './lifetime.js';
import type { SnapshotJob } from './model.js';
import { expandName } from './schedules.js';
import { createSnapshot } from './snapshots.js';

const syntax = {
  usage: 'createsv [-f] [-ro] [-exp <time>[d|h]] [-retain <time>[d|h]] [-comment <comment>] <SV_name> <VV_name>',
  options: ['-f', '-ro'],
  valueOptions: ['-exp', '-retain', '-comment'],
  words: [2, 2] as [number, number],
};

export const createsv: Command = {
  ...syntax,
  changes: true,
  async run({ pair, array, given }) {
    const wanted = snapshotOf(given);
    await createSnapshot(pair, array, { ...wanted, name: checkName(expandName(wanted.name, array.now())) });
    return [];
  },
};

/** What the command asks for; its name may be a pattern. @throws CliError */
export const parseCreatesv = (words: string[]): SnapshotJob => snapshotOf(parseArguments(words, syntax));

function snapshotOf({ options, values, words }: Arguments): SnapshotJob {
  const [name = '', of = ''] = words;
  return {
    of,
    name,
    comment: values.get('-comment') ?? '',
    readOnly: options.has('-ro'),
    expirationHours: parseHours('-exp', values.get('-exp')),
    retentionHours: parseHours('-retain', values.get('-retain')),
  };
}

export function checkName(name: string): string {
  if (/^[A-Za-z0-9._-]{1,31}$/.test(name)) return name;
  throw new CliError(`Error: Invalid name ${name}: 1 to 31 letters, digits, dots, dashes and underscores`);
}

/** `24h`, `2d`; days without a letter. */
function parseHours(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, number, unit] = /^(\d+)([dDhH]?)$/.exec(text) ?? [];
  const hours = Number(number) * (unit?.toLowerCase() === 'h' ? 1 : 24);
  if (hours >= 1 && hours <= MAX_EXPIRATION_HOURS) return hours;
  throw new CliError(`Error: Invalid time ${text} for ${option}: 1 to ${MAX_EXPIRATION_HOURS} hours`);
}
