import { CliError } from './cli-arguments.js';
import type { Command } from './cli-command.js';
import { checkName } from './cli-snapshots.js';
import { growVolume } from './grow.js';
import { deleteVolume, modifyVolume } from './volumes.js';

const removevv: Command = {
  usage: 'removevv [-f] <vv_name>',
  options: ['-f'],
  words: [1, 1],
  changes: true,
  async run({ array, given: { words } }) {
    await deleteVolume(array, words[0] ?? '');
    return [];
  },
};

const setvv: Command = {
  usage: 'setvv [-name <new_name>] [-comment <comment>] <vv_name>',
  valueOptions: ['-name', '-comment'],
  words: [1, 1],
  changes: true,
  async run({ array, given: { values, words } }) {
    const newName = values.get('-name');
    const change = { newName: newName && checkName(newName), comment: values.get('-comment') };
    await modifyVolume(array, words[0] ?? '', change);
    return [];
  },
};

const growvv: Command = {
  usage: 'growvv [-f] <vv_name> <size>[g|G|t|T]',
  options: ['-f'],
  words: [2, 2],
  changes: true,
  async run({ array, given: { words } }) {
    const [name = '', size = ''] = words;
    const [, number, unit = ''] = /^(\d+)([gGtT]?)$/.exec(size) ?? [];
    if (number === undefined) throw new CliError(`Error: Invalid size ${size}`);
    const factor = { g: 1024, t: 1024 * 1024 }[unit.toLowerCase()] ?? 1;
    await growVolume(array, { name, byMiB: Number(number) * factor });
    return [];
  },
};

export const volumeChangeCommands = { removevv, setvv, growvv };
