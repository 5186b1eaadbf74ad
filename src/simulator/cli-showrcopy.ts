import type { ArrayPair } from './array-pair.js';
import { CliError } from './cli-arguments.js';
import type { Call, Command } from './cli-command.js';
import { formatGroup } from './cli-group-table.js';
import type { GroupLines } from './cli-group-table.js';
import { formatTable, formatTime } from './cli-tables.js';
import type { Cell } from './cli-tables.js';
import { isPeriodic } from './model.js';
import type { Group, Member, Mode } from './model.js';
import { formatPos } from './vluns.js';

/** The status is on the third line, behind an empty one: clients look for it there (reference 7.3, 7.4). */
const showrcopy: Command = {
  usage: 'showrcopy [-d] [-qw] [groups [<group_name>] | links | targets]',
  // The detailed view shows nothing more on an array with one target.
  options: ['-d', '-qw'],
  words: [0, 2],
  changes: false,
  run(call) {
    const [part, name] = call.given.words;
    if (call.given.options.has('-qw') && part !== 'targets')
      throw new CliError(`Error: Option -qw is for targets only. Usage: ${showrcopy.usage}`);
    const sections = part === undefined ? [targets, links, groups] : [SECTIONS.get(part)];
    if (sections.includes(undefined))
      throw new CliError(`Error: Invalid subcommand ${part}. Usage: ${showrcopy.usage}`);
    if (name !== undefined && part !== 'groups') throw new CliError(`Error: Invalid argument ${name}`);
    const lines = sections.flatMap((section) => section?.(call) ?? []);
    return ['', 'Remote Copy System Information', 'Status: Started, Normal', ...lines];
  },
};

/** With `-qw` the quorum witness, too; the names of its columns are this simulator's choice. */
function targets({ pair, array, style, given: { options } }: Call): string[] {
  const status = pair.connected ? 'ready' : 'failed';
  const policy = array.mirrorConfig ? 'mirror_config' : 'no_mirror_config';
  const witness = options.has('-qw') ? { 'Witness-IP': pair.witness ?? '-', 'Q-Status': witnessStatus(pair) } : {};
  const columns = ['Name', 'ID', 'Type', 'Status', 'Options', 'Policy', ...Object.keys(witness)];
  const rows = [[array.targetName, 1, 'IP', status, '-', policy, ...Object.values(witness)]];
  return ['', 'Target Information', '', ...formatTable({ columns, rows }, style)];
}

function witnessStatus({ witness, witnessUp }: ArrayPair): string {
  if (witness === undefined) return '-';
  return witnessUp ? 'Started' : 'Failed';
}

/** Each link is listed as it sends and as it receives. */
function links({ pair, array, style }: Call): string[] {
  const status = pair.connected ? 'Up' : 'Down';
  const peers = pair.peerOf(array).ports.filter((port) => port.kind === 'rcip');
  const rows = array.ports
    .filter((port) => port.kind === 'rcip')
    .flatMap((port, index): Cell[][] => [
      [array.targetName, formatPos(port.pos), peers[index]?.ip ?? '-', status, '-'],
      ['receive', formatPos(port.pos), 'receive', status, '-'],
    ]);
  const columns = ['Target', 'Node', 'Address', 'Status', 'Options'];
  return ['', 'Link Information', '', ...formatTable({ columns, rows }, style)];
}

function groups({ array, style, given: { words } }: Call): string[] {
  const name = words[1];
  const wanted = name === undefined ? [...array.groups.values()] : [array.getGroup(name)];
  const lines = wanted.flatMap((group) => ['', ...formatGroup(describeGroup(group, array.targetName), style)]);
  return ['', 'Group Information', ...lines];
}

const SECTIONS = new Map([
  ['targets', targets],
  ['links', links],
  ['groups', groups],
]);

function describeGroup(group: Group, target: string): GroupLines {
  return {
    name: group.name,
    target,
    status: STATE_WORDS[group.state],
    role: (group.role === 'primary' ? 'Primary' : 'Secondary') + (group.roleReversed ? '-Rev' : ''),
    mode: MODE_WORDS[group.mode],
    options: describeOptions(group),
    members: group.members.map((member) => ({
      localName: member.local.name,
      localId: member.local.id,
      remoteName: member.remote.name,
      remoteId: member.remote.id,
      syncStatus: describeSync(member),
      lastSync: describeTime(member.lastSync),
    })),
  };
}

/** Words of reference 7.4. */
const STATE_WORDS = { new: 'New', starting: 'Starting', started: 'Started', stopped: 'Stopped', failsafe: 'Failsafe' };
const MODE_WORDS: Record<Mode, string> = { 1: 'Sync', 2: 'Periodic', 3: 'Periodic', 4: 'Async' };
const SYNC_WORDS = { new: 'New', syncing: 'Syncing', synced: 'Synced', notSynced: 'NotSynced', stale: 'Stale' };

function describeSync({ syncStatus, percent }: Member): string {
  return syncStatus === 'syncing' ? `Syncing (${percent}%)` : SYNC_WORDS[syncStatus];
}

/** `Last-Sync 2014-03-05 10:19:42 CET , Period 5m, auto_recover,over_per_alert` (reference 7.4). */
function describeOptions({ mode, lastSync, syncPeriod, policies }: Group): string {
  const names = [
    policies.autoRecover ? ['auto_recover'] : [],
    policies.overPeriodAlert ? ['over_per_alert'] : [],
    policies.autoFailover ? ['auto_failover'] : [],
    policies.pathManagement ? ['path_management'] : [],
  ].flat();
  const period = syncPeriod === undefined ? [] : [`Period ${describePeriod(syncPeriod)}`];
  const since = isPeriodic(mode) ? [`Last-Sync ${describeTime(lastSync)} `] : [];
  return [...since, ...period, ...(names.length > 0 ? [names.join(',')] : [])].join(', ');
}

const UNITS = [
  { letter: 'd', seconds: 86_400 },
  { letter: 'h', seconds: 3600 },
  { letter: 'm', seconds: 60 },
];

/** In the largest unit that divides it. */
function describePeriod(seconds: number): string {
  const unit = UNITS.find((each) => seconds % each.seconds === 0);
  return unit === undefined ? `${seconds}s` : `${seconds / unit.seconds}${unit.letter}`;
}

const describeTime = (time: Date | undefined): string => (time === undefined ? 'NA' : formatTime(time));

export const remoteCopyShowCommands = { showrcopy };
