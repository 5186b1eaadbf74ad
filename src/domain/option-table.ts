import { knownMountOptions, parseMountOptions } from './mount-options.js';
import { checkGroupName, checkVolumeName } from './names.js';
import * as values from './option-values.js';

/** GiB of the largest volume that an array takes, 16 TiB (reference 4.2). */
const MAX_SIZE_GIB = 16_384;
const MAX_CONFLICT_DELAY_SECONDS = 86_400;

/** An option of `docker volume create`, as it is explained and as it is read. */
export interface Option<T> {
  /** What may stand after the `=`. */
  type: string;
  /** What it is without being given, as text; an option whose absence means nothing has none. */
  default?: string;
  /** As it is typed after `-o`. */
  example: string;
  /** One sentence. */
  meaning: string;
  /** Of the text without blanks around it. @throws an Error that says what is wrong with it */
  parse(text: string): T;
}

const option = <T>(one: Option<T>): Option<T> => one;

/** Every option there is, in the order in which they are explained. */
export const OPTIONS = {
  size: option({
    type: `whole GiB, 1 to ${MAX_SIZE_GIB}`,
    default: '100',
    example: 'size=50',
    meaning: 'How large the volume is; with cloneOf, how large the clone is (default: as its source).',
    parse: values.parseWhole({ min: 1, max: MAX_SIZE_GIB, unit: 'GiB' }),
  }),
  provisioning: option({
    type: 'thin, dedup or full',
    default: 'thin',
    example: 'provisioning=dedup',
    meaning: 'How the array gives it space.',
    parse: values.parseProvisioning,
  }),
  compression: option({
    type: 'True or False',
    default: 'False',
    example: 'compression=True',
    meaning: 'The array compresses it; needs 3PAR OS 3.3.1 and the licence.',
    parse: values.parseBoolean,
  }),
  fsType: option({
    type: 'ext4 or xfs',
    default: 'ext4',
    example: 'fsType=xfs',
    meaning: 'The file system that the first mount makes.',
    parse: values.parseFilesystemType,
  }),
  fsOwner: option({
    type: 'uid:gid',
    example: 'fsOwner=1001:1001',
    meaning: 'Owner of the root directory of the file system, set once when it is made.',
    parse: values.parseOwner,
  }),
  fsMode: option({
    type: '1 to 4 octal digits',
    example: 'fsMode=0750',
    meaning: 'Mode of the root directory of the file system, set once when it is made.',
    parse: values.parseMode,
  }),
  mountOptions: option({
    type: 'list of mount options',
    example: 'mountOptions=noatime,discard',
    meaning: `Options of every mount, as mount -o takes them: ${knownMountOptions()}.`,
    parse: parseMountOptions,
  }),
  backend: option({
    type: 'section of hpe.conf',
    default: 'DEFAULT',
    example: 'backend=gold',
    meaning: 'The array that it is made on; -o help=backends lists them.',
    parse: values.parseBackendName,
  }),
  mountConflictDelay: option({
    type: `seconds, 0 to ${MAX_CONFLICT_DELAY_SECONDS}`,
    default: '30',
    example: 'mountConflictDelay=60',
    meaning: 'How long a mount waits for another node to release the volume before it takes it over.',
    parse: values.parseWhole({ min: 0, max: MAX_CONFLICT_DELAY_SECONDS, unit: 'seconds' }),
  }),
  replicationGroup: option({
    type: 'name of a remote copy group',
    example: 'replicationGroup=rcg1',
    meaning: 'The volume is replicated in this group, which is made if there is none.',
    parse: checkGroupName,
  }),
  cpg: option({
    type: 'name of a CPG',
    default: 'the first hpe3par_cpg',
    example: 'cpg=FC_r6',
    meaning: 'Where the volume is made.',
    parse: values.parseCpgName,
  }),
  snapcpg: option({
    type: 'name of a CPG',
    default: 'hpe3par_snapcpg, else cpg',
    example: 'snapcpg=FC_r1',
    meaning: 'Where its snapshots take space.',
    parse: values.parseCpgName,
  }),
  'qos-name': option({
    type: 'name of a volume set',
    example: 'qos-name=gold_set',
    meaning: 'The volume joins this volume set, which an administrator has made and given a QoS rule.',
    parse: values.parseSetName,
  }),
  'flash-cache': option({
    type: 'True or False',
    default: 'False',
    example: 'flash-cache=True',
    meaning: 'The array may use its flash cache for it.',
    parse: values.parseBoolean,
  }),
  virtualCopyOf: option({
    type: 'name of a Docker volume',
    example: 'virtualCopyOf=db',
    meaning: 'Makes a snapshot of that volume.',
    parse: checkVolumeName,
  }),
  expirationHours: option({
    type: 'hours, 1 to 43800',
    example: 'expirationHours=48',
    meaning: 'The array deletes the snapshot then.',
    parse: values.parseHours,
  }),
  retentionHours: option({
    type: 'hours, 1 to 43800',
    example: 'retentionHours=24',
    meaning: 'Nobody can delete the snapshot until then.',
    parse: values.parseHours,
  }),
  scheduleName: option({
    type: 'name of a schedule',
    example: 'scheduleName=daily',
    meaning: 'The array also makes snapshots of the volume by this schedule, until this first one is removed.',
    parse: values.parseScheduleName,
  }),
  scheduleFrequency: option({
    type: 'five cron fields',
    example: 'scheduleFrequency="10 2 * * *"',
    meaning: 'Minute, hour, day of the month, month and day of the week (0 is Sunday) of the schedule.',
    parse: values.parseCron,
  }),
  snapshotPrefix: option({
    type: '1 to 16 letters or digits',
    example: 'snapshotPrefix=day',
    meaning: "The names of the schedule's snapshots begin with it.",
    parse: values.parseSnapshotPrefix,
  }),
  expHrs: option({
    type: 'hours, 1 to 43800',
    example: 'expHrs=72',
    meaning: "The array deletes each of the schedule's snapshots after this time.",
    parse: values.parseHours,
  }),
  retHrs: option({
    type: 'hours, 1 to 43800',
    example: 'retHrs=24',
    meaning: "Nobody can delete any of the schedule's snapshots for this time.",
    parse: values.parseHours,
  }),
  cloneOf: option({
    type: 'name of a Docker volume',
    example: 'cloneOf=db',
    meaning: 'Makes a copy of that volume.',
    parse: checkVolumeName,
  }),
  importVol: option({
    type: 'name of a volume on the array',
    example: 'importVol=old_data',
    meaning: 'Takes over that volume or snapshot with what it holds; it is never formatted.',
    parse: values.parseArrayVolumeName,
  }),
  help: option({
    type: 'nothing, or backends',
    example: 'help=backends',
    meaning: 'Prints this, or the backends and their states; nothing is made.',
    parse: values.parseTopic,
  }),
};

export type OptionName = keyof typeof OPTIONS;
export const isOptionName = (name: string): name is OptionName => Object.hasOwn(OPTIONS, name);
export const OPTION_NAMES = Object.keys(OPTIONS).filter(isOptionName);

/** The values of the options that were given and could be read. */
export type OptionValues = { [Name in OptionName]?: ReturnType<(typeof OPTIONS)[Name]['parse']> };
