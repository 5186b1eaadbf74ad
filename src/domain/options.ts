import { DriverError } from './errors.js';
import { checkGroupName } from './names.js';
import { FILESYSTEM_TYPES, type FilesystemType, type Provisioning, type VolumeSpec } from './volume.js';

/** GiB of a volume whose size nobody named, as it always was. */
const DEFAULT_SIZE_GIB = 100;
/** The largest volume that an array takes, 16 TiB (reference 4.2). */
const MAX_SIZE_GIB = 16_384;
const DEFAULT_CONFLICT_DELAY_SECONDS = 30;
const MAX_CONFLICT_DELAY_SECONDS = 86_400;
/** Smallest volume that an array compresses (reference 4.2). */
const MIN_COMPRESSED_GIB = 16;

const OPTION_NAMES = [
  'size',
  'provisioning',
  'compression',
  'fsType',
  'backend',
  'mountConflictDelay',
  'replicationGroup',
] as const;
type OptionName = (typeof OPTION_NAMES)[number];

/**
 * The `-o` options of `docker volume create` as a spec, every default filled in. Whether the backend exists, and takes a
 * replication group, is for the caller to say. @throws `invalid`, naming every problem at once
 */
export function parseVolumeOptions(options: Record<string, string>): VolumeSpec {
  const problems: string[] = [];
  for (const name of Object.keys(options)) {
    if (!(OPTION_NAMES as readonly string[]).includes(name)) problems.push(unknownOption(name));
  }
  const take = <T>(name: OptionName, fallback: T, parse: (text: string) => T): T => {
    const text = options[name];
    if (text === undefined) return fallback;
    try {
      return parse(text.trim());
    } catch (error) {
      problems.push(`option ${name}: ${error instanceof Error ? error.message : String(error)}`);
      return fallback;
    }
  };
  const group = take<string | undefined>('replicationGroup', undefined, checkGroupName);
  const spec: VolumeSpec = {
    sizeGiB: take('size', DEFAULT_SIZE_GIB, (text) => parseWhole(text, 1, MAX_SIZE_GIB, 'GiB')),
    provisioning: take('provisioning', 'thin', parseProvisioning),
    compression: take('compression', false, parseBoolean),
    fsType: take('fsType', 'ext4', parseFilesystemType),
    backend: take('backend', 'DEFAULT', parseBackendName),
    mountConflictDelay: take('mountConflictDelay', DEFAULT_CONFLICT_DELAY_SECONDS, (text) =>
      parseWhole(text, 0, MAX_CONFLICT_DELAY_SECONDS, 'seconds'),
    ),
    ...(group === undefined ? {} : { replicationGroup: group }),
  };
  if (spec.compression && spec.provisioning === 'full') {
    problems.push(
      'option compression: a fully provisioned volume cannot be compressed; use provisioning=thin or dedup',
    );
  }
  if (spec.compression && spec.sizeGiB < MIN_COMPRESSED_GIB) {
    problems.push(`option compression: needs a size of at least ${MIN_COMPRESSED_GIB} GiB, not ${spec.sizeGiB}`);
  }
  if (problems.length > 0)
    throw new DriverError('invalid', problems.join('; '), { next: 'correct the options; nothing was changed' });
  return spec;
}

function unknownOption(name: string): string {
  const near = OPTION_NAMES.find((known) => known.toLowerCase() === name.toLowerCase());
  return `unknown option ${JSON.stringify(name)}${near === undefined ? ` (known: ${OPTION_NAMES.join(', ')})` : `, did you mean ${near}?`}`;
}

function parseWhole(text: string, min: number, max: number, unit: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new Error(`${JSON.stringify(text)} is not a whole number of ${unit} from ${min} to ${max}`);
  }
  return value;
}

function parseProvisioning(text: string): Provisioning {
  const value = text.toLowerCase();
  if (value === 'thin' || value === 'dedup' || value === 'full') return value;
  throw new Error(`${JSON.stringify(text)} is not thin, dedup or full`);
}

function parseFilesystemType(text: string): FilesystemType {
  const found = FILESYSTEM_TYPES.find((type) => type === text.toLowerCase());
  if (found !== undefined) return found;
  throw new Error(`${JSON.stringify(text)} is not ${FILESYSTEM_TYPES.join(' or ')}`);
}

function parseBoolean(text: string): boolean {
  const value = text.toLowerCase();
  if (value === 'true') return true;
  if (value === 'false') return false;
  throw new Error(`${JSON.stringify(text)} is not True or False`);
}

function parseBackendName(text: string): string {
  if (text === '') throw new Error('is empty');
  return text;
}
