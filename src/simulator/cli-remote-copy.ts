import { CliError } from './cli-arguments.js';
import type { Call, Command } from './cli-command.js';
import { failover, overrideFailsafe, recover, restore, reverse, switchover } from './disaster-recovery.js';
import { dismissVolume } from './membership.js';
import type { Policies } from './model.js';
import { checkTarget, modifyGroup } from './remote-copy.js';
import { startGroup, stopGroup, synchronise } from './replication.js';

const stoprcopygroup: Command = {
  usage: 'stoprcopygroup [-f] [-t <target_name>] <group_name>',
  options: ['-f'],
  valueOptions: ['-t'],
  words: [1, 1],
  changes: true,
  async run(call) {
    await stopGroup(call.pair, call.array, targetedGroup(call));
    return [];
  },
};

const startrcopygroup: Command = {
  usage: 'startrcopygroup [-nosync] [-wait] [-t <target_name>] <group_name>',
  options: ['-nosync', '-wait'],
  valueOptions: ['-t'],
  words: [1, 1],
  changes: true,
  async run(call) {
    const request = { name: targetedGroup(call), skipInitialSync: call.given.options.has('-nosync') };
    await startGroup(call.pair, call.array, request);
    return [];
  },
};

const syncrcopy: Command = {
  usage: 'syncrcopy [-w] [-t <target_name>] <group_name>',
  options: ['-w'],
  valueOptions: ['-t'],
  words: [1, 1],
  changes: true,
  async run(call) {
    await synchronise(call.pair, call.array, targetedGroup(call));
    return [];
  },
};

const dismissrcopyvv: Command = {
  usage: 'dismissrcopyvv [-f] [-keepsnap] [-removevv] <vv_name> <group_name>',
  // Snapshots of the group are not simulated, so there is none to keep.
  options: ['-f', '-keepsnap', '-removevv'],
  words: [2, 2],
  changes: true,
  async run({ pair, array, given: { options, words } }) {
    const [volume = '', group = ''] = words;
    await dismissVolume(pair, array, { group, volume, removeSecondary: options.has('-removevv') });
    return [];
  },
};

/** Options that only concern snapshots, questions or waiting change nothing here (reference 6.6). */
const setrcopygroup: Command = {
  usage:
    'setrcopygroup failover|recover|restore|switchover|reverse|override [-f] [-t <target_name>] [-nostart] ' +
    '[-natural|-current] [-local] [-nosnap] [-nopromote] [-discard] [-waittask] <group_name>; ' +
    'setrcopygroup pol <policy>[,<policy>...] <group_name>',
  options: ['-f', '-nostart', '-natural', '-current', '-local', '-nosnap', '-nopromote', '-discard', '-waittask'],
  valueOptions: ['-t'],
  notSimulated: ['period', 'mode', 'cpg'],
  words: [2, 3],
  changes: true,
  async run(call) {
    const [action = '', second = '', ...rest] = call.given.words;
    if (action === 'pol') return setPolicies(call, second.split(','));
    const change = roleChanges.get(action);
    if (change === undefined) throw new CliError(`Error: Invalid subcommand ${action}. Usage: ${setrcopygroup.usage}`);
    if (rest.length > 0) throw new CliError(`Error: Invalid argument ${rest[0]}. Usage: ${setrcopygroup.usage}`);
    const misplaced = [...call.given.options].find(
      (option) => optionActions[option] !== undefined && !optionActions[option].includes(action),
    );
    if (misplaced !== undefined) throw new CliError(`Error: Invalid option ${misplaced} for setrcopygroup ${action}`);
    await change(call, targetedGroup(call));
    return [];
  },
};

function setPolicies(call: Call, names: string[]): string[] {
  const { pair, array, given } = call;
  if (given.words.length !== 3) throw new CliError(`Error: too few arguments. Usage: ${setrcopygroup.usage}`);
  const policies: Partial<Policies> = {};
  for (const name of names) {
    const policy = POLICIES.get(name.replace(/^no_/, ''));
    if (policy === undefined) throw new CliError(`Error: Invalid policy ${name}. Usage: ${setrcopygroup.usage}`);
    policies[policy] = !name.startsWith('no_');
  }
  modifyGroup(pair, array, { name: targetedGroup(call), change: { policies } });
  return [];
}

const POLICIES = new Map<string, keyof Policies>([
  ['auto_recover', 'autoRecover'],
  ['over_per_alert', 'overPeriodAlert'],
  ['auto_failover', 'autoFailover'],
  ['path_management', 'pathManagement'],
]);

/** Options that mean something to these actions only. */
const optionActions: Record<string, string[]> = {
  '-nostart': ['recover', 'restore'],
  '-natural': ['reverse'],
  '-current': ['reverse'],
  '-local': ['reverse'],
};

const roleChanges = new Map<string, (call: Call, name: string) => void | Promise<void>>([
  ['failover', ({ array }, name) => failover(array, { name })],
  ['recover', (call, name) => recover(call.pair, call.array, { name, skipStart: call.given.options.has('-nostart') })],
  ['restore', (call, name) => restore(call.pair, call.array, { name, skipStart: call.given.options.has('-nostart') })],
  ['switchover', ({ pair, array }, name) => switchover(pair, array, { name })],
  ['override', ({ array }, name) => overrideFailsafe(array, { name })],
  [
    'reverse',
    ({ pair, array, given: { options } }, name) =>
      reverse(pair, array, {
        name,
        natural: options.has('-natural'),
        current: options.has('-current'),
        local: options.has('-local'),
      }),
  ],
]);

/** The group is the last word of all these commands; a target that the array has not is refused. */
function targetedGroup({ array, given }: Call): string {
  checkTarget(array, given.values.get('-t'));
  return given.words.at(-1) ?? '';
}

export const remoteCopyCommands = { stoprcopygroup, startrcopygroup, syncrcopy, dismissrcopyvv, setrcopygroup };
