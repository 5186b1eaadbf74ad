import { FILESYSTEM_TYPES, type FilesystemType, type Provisioning } from './volume.js';

/*
 * Parsers of option values. Each takes the text without blanks around it, and throws an Error that says what is wrong
 * with it; the caller puts the option's name before it.
 */

/** Longest name of a CPG, volume or schedule on the array (reference 4.7). */
const ARRAY_NAME_LIMIT = 31;
/** Of a volume set; the guide's limit, which is the smaller one. */
const SET_NAME_LIMIT = 27;
/** Leaves room for the dot and 14 digits of time in 31 characters. */
const SNAPSHOT_PREFIX_LIMIT = 16;
/** Of a snapshot's life, as arrays take it: five years. */
const MAX_HOURS = 43_800;

/** Smallest, largest and unit of a number. */
interface Range {
  min: number;
  max: number;
  unit: string;
}

export const parseWhole =
  ({ min, max, unit }: Range) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new Error(`${JSON.stringify(text)} is not a whole number of ${unit} from ${min} to ${max}`);
    }
    return value;
  };

export const parseHours = parseWhole({ min: 1, max: MAX_HOURS, unit: 'hours' });

export function parseProvisioning(text: string): Provisioning {
  const value = text.toLowerCase();
  if (value === 'thin' || value === 'dedup' || value === 'full') return value;
  throw new Error(`${JSON.stringify(text)} is not thin, dedup or full`);
}

export function parseFilesystemType(text: string): FilesystemType {
  const found = FILESYSTEM_TYPES.find((type) => type === text.toLowerCase());
  if (found !== undefined) return found;
  throw new Error(`${JSON.stringify(text)} is not ${FILESYSTEM_TYPES.join(' or ')}`);
}

export function parseBoolean(text: string): boolean {
  const value = text.toLowerCase();
  if (value === 'true') return true;
  if (value === 'false') return false;
  throw new Error(`${JSON.stringify(text)} is not True or False`);
}

export function parseBackendName(text: string): string {
  if (text === '') throw new Error('is empty');
  return text;
}

const parseName =
  (what: string, limit: number) =>
  (text: string): string => {
    if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text) && text.length <= limit) return text;
    throw new Error(
      `${JSON.stringify(text)} cannot be the name of a ${what}: 1 to ${limit} letters, digits, '_', '.' or '-'`,
    );
  };

export const parseCpgName = parseName('CPG', ARRAY_NAME_LIMIT);
export const parseSetName = parseName('volume set', SET_NAME_LIMIT);
export const parseArrayVolumeName = parseName('volume on the array', ARRAY_NAME_LIMIT);
export const parseScheduleName = parseName('schedule', ARRAY_NAME_LIMIT);
export const parseSnapshotPrefix = parseName('snapshot before the dot', SNAPSHOT_PREFIX_LIMIT);

/** `uid:gid`, in digits: names mean something else in each container. */
export function parseOwner(text: string): string {
  const ids = /^(\d{1,10}):(\d{1,10})$/.exec(text);
  // The largest 32 bit number means "leave as it is" to chown.
  if (ids !== null && ids.slice(1).every((id) => Number(id) < 0xffff_ffff)) return text;
  throw new Error(`${JSON.stringify(text)} is not a user id and a group id, like 1001:1001`);
}

export function parseMode(text: string): string {
  if (/^[0-7]{1,4}$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is not a mode of 1 to 4 octal digits, like 0755`);
}

const CRON_FIELDS = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of the month', 1, 31],
  ['month', 1, 12],
  ['day of the week', 0, 6],
] as const;

/** Five cron fields with one blank between them: `*`, numbers, ranges, lists; the minute is one number, as it always had to be. */
export function parseCron(text: string): string {
  const fields = text.split(/\s+/);
  if (fields.length !== CRON_FIELDS.length) {
    throw new Error(
      `${JSON.stringify(text)} has ${fields.length} fields, not 5: minute hour day-of-month month day-of-week`,
    );
  }
  CRON_FIELDS.forEach(([what, min, max], at) => {
    const field = fields[at] ?? '';
    const isFit = at === 0 ? isWithin(field, min, max) : isCronField(field, min, max);
    if (!isFit) throw new Error(`${JSON.stringify(field)} is not a ${what} from ${min} to ${max}`);
  });
  return fields.join(' ');
}

const isWithin = (text: string, min: number, max: number): boolean =>
  /^\d{1,2}$/.test(text) && Number(text) >= min && Number(text) <= max;

const isCronField = (field: string, min: number, max: number): boolean =>
  field === '*' ||
  field.split(',').every((part) => {
    const [from = '', to = from, ...rest] = part.split('-');
    return rest.length === 0 && isWithin(from, min, max) && isWithin(to, min, max) && Number(from) <= Number(to);
  });

/** What `help` is asked about. */
export function parseTopic(text: string): 'options' | 'backends' {
  if (text === '' || text.toLowerCase() === 'true') return 'options';
  if (text === 'backends') return 'backends';
  throw new Error(`${JSON.stringify(text)} is nothing that is explained here: help, or help=backends`);
}
