import type { Command } from './cli-command.js';
import { matchName } from './cli-pattern.js';
import { formatTable } from './cli-tables.js';
import type { Cell } from './cli-tables.js';

const showvvset: Command = {
  usage: 'showvvset [-vv <vv_name>] [<set_name>|<pattern>]',
  valueOptions: ['-vv'],
  words: [0, 1],
  changes: false,
  run({ array, style, given: { words, values } }) {
    const [name] = words;
    const member = values.get('-vv');
    const sets = [...array.volumeSets.values()].filter(
      (set) =>
        (name === undefined || matchName(name, set.name)) &&
        (member === undefined || set.members.some((volume) => volume.name === member)),
    );
    if (sets.length === 0) return ['No vv set listed'];
    const rows = sets.flatMap(({ id, name: set, members }): Cell[][] => {
      const names = members.length === 0 ? ['---'] : members.map((volume) => volume.name);
      return names.map((each, row) => (row === 0 || style.csv ? [id, set, each] : ['', '', each]));
    });
    const count = sets.reduce((sum, set) => sum + set.members.length, 0);
    return formatTable({ columns: ['Id', 'Name', 'Members'], rows, total: [sets.length, 'total', count] }, style);
  },
};

const showqos: Command = {
  usage: 'showqos',
  words: [0, 0],
  changes: false,
  run({ array, style }) {
    const rows = [...array.volumeSets.values()].flatMap(({ name, qos }): Cell[][] => {
      if (qos === undefined) return [];
      const { id, priority, enabled, limits } = qos;
      const { ioMinGoal, ioMaxLimit, bwMinGoalKB, bwMaxLimitKB, latencyGoal } = limits;
      const cells = [ioMinGoal, ioMaxLimit, bwMinGoalKB, bwMaxLimitKB, latencyGoal].map((limit) => limit ?? '--');
      return [[id, 'vvset', name, PRIORITIES[priority], enabled ? 'on' : 'off', ...cells]];
    });
    if (rows.length === 0) return ['No QoS rules listed'];
    return formatTable({ columns: QOS_COLUMNS, rows, total: [rows.length, 'total'] }, style);
  },
};

const PRIORITIES = { 1: 'low', 2: 'normal', 3: 'high' } as const;

const QOS_COLUMNS = ['Id', 'Type', 'Name', 'Prio', 'QoS', 'MinIOPS', 'MaxIOPS', 'MinKBPS', 'MaxKBPS', 'LatGoalMs'];

export const volumeSetCommands = { showvvset, showqos };
