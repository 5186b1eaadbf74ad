import { CliError } from './cli-arguments.js';
import type { Command } from './cli-command.js';
import { checkName, parseCreatesv } from './cli-snapshots.js';
import { formatTable } from './cli-tables.js';
import type { Cell } from './cli-tables.js';
import { splitWords } from './cli-words.js';
import { parseCron } from './cron.js';
import type { CronTimes } from './cron.js';
import type { Schedule } from './model.js';
import { createSchedule, modifySchedule, removeSchedule } from './schedules.js';

const createsched: Command = {
  usage: 'createsched "createsv …" "<minute> <hour> <dom> <month> <dow>" <name>',
  words: [3, 3],
  changes: true,
  run({ array, given: { words } }) {
    const [command = '', schedule = '', name = ''] = words;
    const [program, ...rest] = splitWords(command);
    if (program !== 'createsv') throw new CliError(`Error: Invalid command ${program}: only createsv is simulated`);
    const job = parseCreatesv(rest);
    createSchedule(array, { name: checkName(name), command, job, times: getTimes(schedule) });
    return [];
  },
};

/** In the array's words, which clients know it by: reference 7.2. */
function getTimes(text: string): CronTimes {
  const times = parseCron(text);
  if (times !== undefined) return times;
  const words = '@hourly @daily @weekly @monthly @yearly';
  throw new CliError(`The schedule format is <minute> <hour> <dom> <month> <dow> or by ${words}: ${text}`);
}

const removesched: Command = {
  usage: 'removesched [-f] <name>',
  options: ['-f'],
  words: [1, 1],
  changes: true,
  run({ array, given: { words } }) {
    removeSchedule(array, words[0] ?? '');
    return [];
  },
};

const setsched: Command = {
  usage: 'setsched [-name <new_name>] [-s "<minute> <hour> <dom> <month> <dow>"] [-suspend|-resume] <name>',
  options: ['-suspend', '-resume'],
  valueOptions: ['-name', '-s'],
  words: [1, 1],
  changes: true,
  run({ array, given: { options, values, words } }) {
    const [newName, schedule] = [values.get('-name'), values.get('-s')];
    if (options.size > 1) throw new CliError('Error: Invalid options: -suspend and -resume exclude each other');
    const suspended = options.size === 0 ? undefined : options.has('-suspend');
    modifySchedule(array, words[0] ?? '', {
      newName: newName && checkName(newName),
      suspended,
      times: schedule === undefined ? undefined : getTimes(schedule),
    });
    return [];
  },
};

const showsched: Command = {
  usage: 'showsched [<name>]',
  words: [0, 1],
  changes: false,
  run({ array, style, given: { words } }) {
    const [name] = words;
    const schedules = [...array.schedules.values()].filter((each) => name === undefined || each.name === name);
    // The blank at the end is the array's.
    if (schedules.length === 0) return ['No scheduled tasks '];
    const band = style.csv ? [',,------Schedule------,,,,,,,,'] : ['   ------Schedule------'];
    const table = { columns: COLUMNS, rows: schedules.map(scheduleRow), total: [schedules.length, 'total'] };
    return [...(style.bare ? [] : band), ...formatTable(table, style)];
  },
};

const COLUMNS = [
  'SchedName',
  'File/Command',
  'Min',
  'Hour',
  'DOM',
  'Month',
  'DOW',
  'CreatedBy',
  'Status',
  'Alert',
  'NextRunTime',
];

function scheduleRow({ name, command, times, suspended, nextRun }: Schedule): Cell[] {
  const next =
    suspended || nextRun === undefined ? '--' : `${nextRun.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return [name, command, ...times.fields, '3paradm', suspended ? 'suspended' : 'active', 'Y', next];
}

export const scheduleCommands = { createsched, removesched, setsched, showsched };
