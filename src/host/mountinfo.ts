import { readFile } from 'node:fs/promises';
import type { MountEntry } from '../contracts/host.js';
import { DriverError } from '../domain/errors.js';

/** A line of mountinfo with what decides where mounts and umounts spread to (mount_namespaces(7)). */
export interface MountinfoEntry extends MountEntry {
  id: number;
  /** The mount that it lies on; for a mount on top of another one at the same target, that one. */
  parentId: number;
  /** Its peer group: what happens on one of the group happens on all. */
  shared: number | undefined;
  /** The peer group that it receives from without sending back. */
  master: number | undefined;
  /** The nearest group above `master` that its process can see, if it cannot see that one. */
  propagateFrom: number | undefined;
}

/** The text of a `mountinfo` file of proc(5). @throws `internal` for a line that is not one */
export function parseMountinfo(text: string): MountinfoEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

/** Mounts of our own namespace, in the order of mounting. @throws `unavailable` */
export async function readMounts(): Promise<MountinfoEntry[]> {
  try {
    return parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  } catch (error) {
    if (error instanceof DriverError) throw error;
    throw new DriverError('unavailable', 'the mount table /proc/self/mountinfo cannot be read', { cause: error });
  }
}

function parseLine(line: string): MountinfoEntry {
  // "36 35 98:0 /root /target options [optional fields] - fstype source options"
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id, parentId, device, root, target] = fields;
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
  const optional = fields.slice(6, separator);
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescape(root),
    target: unescape(target),
    fsType,
    source: unescape(source),
    shared: findGroup(optional, 'shared'),
    master: findGroup(optional, 'master'),
    propagateFrom: findGroup(optional, 'propagate_from'),
  };
}

function findGroup(optional: string[], kind: string): number | undefined {
  const field = optional.find((each) => each.startsWith(`${kind}:`));
  return field === undefined ? undefined : Number(field.slice(kind.length + 1));
}

/** The kernel writes blanks, tabs, line ends and backslashes as three octal digits, byte by byte. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
