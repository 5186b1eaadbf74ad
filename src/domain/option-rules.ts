import { misfits } from './mount-options.js';
import { OPTION_NAMES, type OptionName, type OptionValues } from './option-table.js';

/** GiB of the smallest volume that an array compresses (reference 4.2). */
const MIN_COMPRESSED_GIB = 16;

/** What was typed: every known option that was given, also when its value could not be read, and the values that could. */
export interface Asked {
  given: ReadonlySet<OptionName>;
  values: OptionValues;
}

/** Which options exclude each other or need a partner. */
interface Rule {
  /** One sentence: which, and why. */
  text: string;
  /** The options at fault; none when the rule is kept. */
  broken(asked: Asked): OptionName[];
}

/** These say what is made; without any of them it is a new, empty volume. */
const KINDS = ['virtualCopyOf', 'cloneOf', 'importVol', 'help'] as const;
const SCHEDULE = ['scheduleName', 'scheduleFrequency', 'snapshotPrefix'] as const;
const SCHEDULED_LIFE = ['expHrs', 'retHrs'] as const;
const SNAPSHOT_LIFE = ['expirationHours', 'retentionHours'] as const;
const EVERY_MOUNT = ['mountConflictDelay', 'mountOptions'] as const;

/** Every rule, in the order in which they are explained. */
export const RULES: Rule[] = [
  {
    text: 'virtualCopyOf, cloneOf, importVol and help exclude each other, since one volume has its data from one place',
    broken: ({ given }) => {
      const kinds = KINDS.filter((kind) => given.has(kind));
      return kinds.length > 1 ? kinds : [];
    },
  },
  only('help', [], 'help stands alone, since nothing is made'),
  only(
    'virtualCopyOf',
    [...SNAPSHOT_LIFE, ...SCHEDULE, ...SCHEDULED_LIFE, ...EVERY_MOUNT],
    'virtualCopyOf goes only with expirationHours, retentionHours, a schedule, mountConflictDelay and mountOptions, since a snapshot has all else from its volume',
  ),
  only(
    'cloneOf',
    ['size', 'cpg', 'snapcpg', ...EVERY_MOUNT],
    'cloneOf goes only with size, cpg, snapcpg, mountConflictDelay and mountOptions, since a clone has all else from its source',
  ),
  only(
    'importVol',
    ['backend', ...EVERY_MOUNT],
    'importVol goes only with backend, mountConflictDelay and mountOptions, since the volume is taken as it is',
  ),
  needs(
    [...SNAPSHOT_LIFE, ...SCHEDULE, ...SCHEDULED_LIFE],
    ['virtualCopyOf'],
    'expirationHours, retentionHours and a schedule need virtualCopyOf, since they are about snapshots',
  ),
  needs(
    [...SCHEDULE, ...SCHEDULED_LIFE],
    SCHEDULE,
    'scheduleName, scheduleFrequency and snapshotPrefix need each other, and expHrs and retHrs need all three, since the array makes a schedule of nothing less',
  ),
  {
    text: 'scheduleName excludes expirationHours, since the schedule ends when this snapshot is removed, and it must not go by itself',
    broken: ({ given }) =>
      given.has('scheduleName') && given.has('expirationHours') ? ['scheduleName', 'expirationHours'] : [],
  },
  notBeyond('retentionHours', 'expirationHours'),
  notBeyond('retHrs', 'expHrs'),
  {
    text: 'compression needs provisioning=thin or dedup, since arrays do not compress a fully provisioned volume',
    broken: ({ values }) =>
      values.compression === true && values.provisioning === 'full' ? ['compression', 'provisioning'] : [],
  },
  {
    text: `compression needs a size of at least ${MIN_COMPRESSED_GIB} GiB, since arrays compress nothing smaller`,
    broken: ({ values: { compression, size } }) =>
      compression === true && size !== undefined && size < MIN_COMPRESSED_GIB ? ['compression', 'size'] : [],
  },
  {
    text: 'mountOptions has to be of the fsType, since each file system has its own',
    broken: ({ given, values: { mountOptions, fsType = 'ext4' } }) => {
      if (mountOptions === undefined || KINDS.some((kind) => given.has(kind))) return [];
      return misfits(mountOptions, fsType).length > 0 ? ['mountOptions', 'fsType'] : [];
    },
  },
];

/** Checked when the backend is known, and only told here. */
export const BACKEND_RULE =
  'replicationGroup is needed on a backend with a replication_device and refused on any other, since the backend decides whether a volume is replicated';

function only(kind: OptionName, partners: readonly OptionName[], text: string): Rule {
  return {
    text,
    broken: ({ given }) => {
      if (!given.has(kind)) return [];
      const others = KINDS.filter((each) => each !== kind);
      const allowed: readonly string[] = [kind, ...partners, ...others];
      return OPTION_NAMES.filter((name) => given.has(name) && !allowed.includes(name));
    },
  };
}

function needs(dependents: readonly OptionName[], partners: readonly OptionName[], text: string): Rule {
  return {
    text,
    broken: ({ given }) => {
      const isWhole = partners.every((partner) => given.has(partner));
      return isWhole ? [] : dependents.filter((name) => given.has(name));
    },
  };
}

function notBeyond(retention: 'retentionHours' | 'retHrs', expiration: 'expirationHours' | 'expHrs'): Rule {
  return {
    text: `${retention} must not be more than ${expiration}, since the array cannot delete what nobody may delete`,
    broken: ({ values }) => {
      const [kept, gone] = [values[retention], values[expiration]];
      return kept !== undefined && gone !== undefined && kept > gone ? [retention, expiration] : [];
    },
  };
}
