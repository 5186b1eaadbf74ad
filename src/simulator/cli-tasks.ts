import { CliError } from './cli-arguments.js';
import type { Command } from './cli-command.js';
import { matchName } from './cli-pattern.js';
import { formatTable, formatTime } from './cli-tables.js';
import type { Cell } from './cli-tables.js';
import type { Task, TaskStatus } from './model.js';
import { cancelTask } from './tasks.js';

const showtask: Command = {
  usage: 'showtask [-active|-done|-failed] [<name>|<pattern>]',
  options: ['-active', '-done', '-failed'],
  words: [0, 1],
  changes: false,
  run({ array, style, given: { options, words } }) {
    const [name] = words;
    const wanted = (['active', 'done', 'failed'] satisfies TaskStatus[]).filter((status) => options.has(`-${status}`));
    const tasks = [...array.tasks.values()].filter(
      (task) =>
        (wanted.length === 0 || wanted.some((status) => status === task.status)) &&
        (name === undefined || matchName(name, task.name)),
    );
    return tasks.length === 0 ? ['No tasks.'] : formatTable({ columns: TASK_COLUMNS, rows: tasks.map(taskRow) }, style);
  },
};

const TASK_COLUMNS = [
  'Id',
  'Type',
  'Name',
  'Status',
  'Phase',
  'Step',
  '-----StartTime------',
  '-----FinishTime-----',
  '-Priority-',
  'User',
];

function taskRow({ id, type, name, status, startedAt, finishedAt, priority }: Task): Cell[] {
  const end = finishedAt === undefined ? '-' : formatTime(finishedAt);
  return [id, type, name, status, '---', '---', formatTime(startedAt), end, PRIORITIES[priority], '3paradm'];
}

const PRIORITIES = { 1: 'high', 2: 'med', 3: 'low' } as const;

const canceltask: Command = {
  usage: 'canceltask [-f] <task_ID>',
  options: ['-f'],
  words: [1, 1],
  changes: true,
  async run({ array, given: { words } }) {
    const [id = ''] = words;
    if (!/^\d+$/.test(id)) throw new CliError(`Error: Invalid task id ${id}`);
    await cancelTask(array, Number(id));
    return [];
  },
};

export const taskCommands = { showtask, canceltask };
