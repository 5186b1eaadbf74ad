import { readFile } from 'node:fs/promises';
import type { MountEntry } from '../contracts/host.js';
import { DriverError } from '../domain/errors.js';

/** The text of a `mountinfo` file of proc(5). @throws `internal` for a line that is not one */
export function parseMountinfo(text: string): MountEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

/** Mounts of our own namespace, in the order of mounting. @throws `unavailable` */
export async function readMounts(): Promise<MountEntry[]> {
  try {
    return parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  } catch (error) {
    if (error instanceof DriverError) throw error;
    throw new DriverError('unavailable', 'the mount table /proc/self/mountinfo cannot be read', { cause: error });
  }
}

function parseLine(line: string): MountEntry {
  // "36 35 98:0 /root /target options [optional fields] - fstype source options"
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [, , device, root, target] = fields;
  const [fsType, source] = separator < 0 ? [] : fields.slice(separator + 1);
  if (
    device === undefined ||
    root === undefined ||
    target === undefined ||
    fsType === undefined ||
    source === undefined
  ) {
    throw new DriverError('internal', `a line of mountinfo cannot be understood: ${line}`);
  }
  return { device, root: unescape(root), target: unescape(target), fsType, source: unescape(source) };
}

/** The kernel writes blanks, tabs, line ends and backslashes as three octal digits, byte by byte. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
