import { DriverError } from './errors.js';
import { RULES } from './option-rules.js';
import { isOptionName, OPTION_NAMES, OPTIONS, type OptionName, type OptionValues } from './option-table.js';
import type { CreateRequest } from './request.js';
import type { Schedule, SnapshotLife } from './schedule.js';
import type { VolumeSpec } from './volume.js';

/** GiB of a volume whose size nobody named, as it always was. */
const DEFAULT_SIZE_GIB = 100;
const DEFAULT_CONFLICT_DELAY_SECONDS = 30;

/**
 * The `-o` options of `docker volume create` as a request, every default filled in. Whether the backend exists, and takes a
 * replication group, is for the caller to say. @throws `invalid`, naming every problem at once
 */
export function parseVolumeOptions(options: Record<string, string>): CreateRequest {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const given = new Set<OptionName>();
  for (const [name, text] of Object.entries(options)) {
    if (!isOptionName(name)) {
      problems.push(unknownOption(name));
      continue;
    }
    given.add(name);
    try {
      values[name] = OPTIONS[name].parse(text.trim());
    } catch (error) {
      problems.push(`option ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  // Each value comes from its own option's parser.
  const asked = { given, values: values as OptionValues };
  for (const rule of RULES) {
    const broken = rule.broken(asked);
    if (broken.length > 0) problems.push(`${rule.text} (given: ${broken.join(', ')})`);
  }
  if (problems.length > 0) {
    throw new DriverError('invalid', problems.join('; '), {
      next: 'correct the options (-o help explains them); nothing was changed',
    });
  }
  return requestOf(asked.values);
}

function requestOf(values: OptionValues): CreateRequest {
  const { help, virtualCopyOf, cloneOf, importVol, mountConflictDelay } = values;
  if (help !== undefined) return { kind: 'help', topic: help };
  const mount = present({ mountOptions: values.mountOptions });
  const delay = present({ mountConflictDelay });
  if (virtualCopyOf !== undefined) {
    const life = lifeOf(values.expirationHours, values.retentionHours);
    return {
      kind: 'snapshot',
      of: virtualCopyOf,
      life,
      ...present({ schedule: scheduleOf(values) }),
      ...delay,
      ...mount,
    };
  }
  if (cloneOf !== undefined) {
    const { size: sizeGiB, cpg, snapcpg: snapCpg } = values;
    return { kind: 'clone', of: cloneOf, ...present({ sizeGiB, cpg, snapCpg }), ...delay, ...mount };
  }
  const spec = specOf(values);
  if (importVol !== undefined) {
    const { backend, mountConflictDelay: seconds } = spec;
    return { kind: 'import', arrayVolume: importVol, backend, mountConflictDelay: seconds, ...mount };
  }
  return { kind: 'new', spec };
}

function specOf(values: OptionValues): VolumeSpec {
  const { replicationGroup, cpg, snapcpg: snapCpg, fsOwner, fsMode, mountOptions } = values;
  const qosName = values['qos-name'];
  const flashCache = values['flash-cache'] === true ? true : undefined;
  return {
    sizeGiB: values.size ?? DEFAULT_SIZE_GIB,
    provisioning: values.provisioning ?? 'thin',
    compression: values.compression ?? false,
    fsType: values.fsType ?? 'ext4',
    backend: values.backend ?? 'DEFAULT',
    mountConflictDelay: values.mountConflictDelay ?? DEFAULT_CONFLICT_DELAY_SECONDS,
    ...present({ replicationGroup, cpg, snapCpg, qosName, flashCache, fsOwner, fsMode, mountOptions }),
  };
}

function scheduleOf(values: OptionValues): Schedule | undefined {
  const { scheduleName: name, scheduleFrequency: frequency, snapshotPrefix: prefix } = values;
  if (name === undefined || frequency === undefined || prefix === undefined) return undefined;
  return { name, frequency, prefix, ...lifeOf(values.expHrs, values.retHrs) };
}

const lifeOf = (expirationHours?: number, retentionHours?: number): SnapshotLife =>
  present({ expirationHours, retentionHours });

type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without the members that are undefined. */
const present = <T extends object>(members: T): Present<T> =>
  // The compiler does not follow what a filter takes out.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Present<T>;

/** Case and hyphens are what people mistype. */
const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '');

function unknownOption(name: string): string {
  const near = OPTION_NAMES.find((known) => plain(known) === plain(name));
  return `unknown option ${JSON.stringify(name)}${near === undefined ? ` (known: ${OPTION_NAMES.join(', ')})` : `, did you mean ${near}?`}`;
}
