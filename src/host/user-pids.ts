import { CommandError, run } from './run.js';

const SEARCH_MS = 5_000;

/**
 * Prints who uses the device `major:minor` of the argument, one pid a line. In a child, because to look at what a process has open
 * may wait for a file system of somebody else, such as NFS without its server, for as long as that takes.
 */
const SEARCH = `
const { readdir, readFile, stat } = require('node:fs/promises');
const [device, ownPid] = process.argv.slice(1);
// The kernel's encoding of a device number in stat(2).
const text = (number) => {
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return major + ':' + minor;
};
// As /proc/PID/maps writes it: hexadecimal, two digits at least.
const inMaps = ' ' + device.split(':').map((part) => Number(part).toString(16).padStart(2, '0')).join(':') + ' ';
const uses = async (folder) => {
  const descriptors = await readdir(folder + '/fd').catch(() => []);
  for (const link of ['cwd', 'root', ...descriptors.map((each) => 'fd/' + each)]) {
    const file = await stat(folder + '/' + link, { bigint: true }).catch(() => undefined);
    if (file === undefined) continue;
    if (text(file.dev) === device || (file.isBlockDevice() && text(file.rdev) === device)) return true;
  }
  return (await readFile(folder + '/maps', 'utf8').catch(() => '')).includes(inMaps);
};
const look = async (pid) => {
  if (await uses('/proc/' + pid)) process.stdout.write(pid + '\\n');
};
// Side by side: one that waits holds up none of the others.
readdir('/proc').then((names) =>
  names.filter((name) => /^[0-9]+$/.test(name) && ![ownPid, String(process.pid)].includes(name)).map(look),
);`;

/**
 * Processes that use the file system on the device `major:minor` (open or mapped file, directory), or the device itself: those
 * that are found within 5 s.
 */
export async function findUserPids(device: string): Promise<number[]> {
  const args = ['-e', SEARCH, device, String(process.pid)];
  const found = await run(process.execPath, args, { timeoutMs: SEARCH_MS }).catch((error: unknown) => {
    if (error instanceof CommandError) return error;
    throw error;
  });
  return found.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
    .toSorted((a, b) => a - b);
}
