import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Connection } from '../contracts/host.js';
import { DriverError } from '../domain/errors.js';
import { errorCode } from './error-code.js';
import { halvesOf, portNames } from './halves.js';

const PATIENCE_MS = 10_000;
const POLL_MS = 50;

/** What a LUN answers to INQUIRY and READ CAPACITY on one path. */
const inquirySchema = z.object({
  wwn: z.string(),
  sizeBytes: z.number(),
  vendor: z.string(),
  product: z.string(),
  targetPort: z.string(),
});

interface Lun {
  inquiry: z.infer<typeof inquirySchema>;
  /** The volume's data. */
  file: string;
  /** Of the file: a pair that both arrays show is one file with two names. */
  inode: string;
}

/**
 * The data file behind a LUN, once it appears: `<folder>/<target port>-lun-<n>` is a link to it, and the same with `.json`
 * what the LUN says of itself. Every path on the expected ports has to be the expected volume (rules 9 and 10).
 * @throws `unavailable` when nothing appears in time, `refused` when something else is there
 */
export async function waitForLun(folder: string, connection: Connection, signal: AbortSignal): Promise<string> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const luns = await readLuns(folder, connection);
    const [first] = luns;
    if (first !== undefined) {
      for (const lun of luns) proveLun(lun, first, connection);
      return first.file;
    }
    if (performance.now() > deadline) throw await notThere(folder, connection);
    await pause(POLL_MS, undefined, { signal }).catch(async () => {
      throw await notThere(folder, connection);
    });
  }
}

/** The data file of the volume with that WWN, if this host sees a LUN of it. */
export async function findFile(folder: string, wwn: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  const links = names.filter((name) => !name.endsWith('.json')).map((name) => path.join(folder, name));
  const luns = await Promise.all(links.map(findLun));
  return luns.find((lun) => lun?.inquiry.wwn.toLowerCase() === wwn)?.file;
}

/** Those of the active array first. */
async function readLuns(folder: string, connection: Connection): Promise<Lun[]> {
  const links = halvesOf(connection).flatMap(({ targets, lun }) => targets.map(({ name }) => `${name}-lun-${lun}`));
  const found = await Promise.all(links.map(async (link) => findLun(path.join(folder, link))));
  return found.filter((each) => each !== undefined);
}

/** Undefined as long as the link or what stands beside it is missing. */
async function findLun(link: string): Promise<Lun | undefined> {
  try {
    const [file, text] = await Promise.all([realpath(link), readFile(`${link}.json`, 'utf8')]);
    const { dev, ino } = await stat(file, { bigint: true });
    return { file, inode: `${dev}:${ino}`, inquiry: inquirySchema.parse(JSON.parse(text)) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new DriverError('refused', `what the LUN at ${link} says of itself cannot be understood`, {
      cause: error,
      next: `look at ${link}.json; the simulator writes it`,
    });
  }
}

function proveLun({ inquiry, inode }: Lun, first: Lun, connection: Connection): void {
  const { wwn, sizeBytes, lun } = connection;
  const ports = portNames(connection);
  const seen = `WWN ${inquiry.wwn}, ${inquiry.sizeBytes} bytes, ${inquiry.vendor} ${inquiry.product}, target port ${inquiry.targetPort}`;
  const same =
    inquiry.wwn.toLowerCase() === wwn &&
    inquiry.sizeBytes === sizeBytes &&
    inquiry.vendor === '3PARdata' &&
    inquiry.product === 'VV' &&
    ports.includes(inquiry.targetPort.toLowerCase()) &&
    inode === first.inode;
  if (same) return;
  throw new DriverError(
    'refused',
    `LUN ${lun} is not the expected volume: seen ${seen}${inode === first.inode ? '' : ', and other data than on the other path'}; expected WWN ${wwn}, ${sizeBytes} bytes, 3PARdata VV, target port ${ports.join(' or ')}`,
    { next: 'compare with showvlun and showvv -showcols Name,VV_WWN on the array; nothing was attached' },
  );
}

async function notThere(folder: string, { lun, targets }: Connection): Promise<DriverError> {
  const names = await readdir(folder).catch(() => []);
  const links = names.filter((name) => !name.endsWith('.json'));
  return new DriverError(
    'unavailable',
    `LUN ${lun} did not appear on ${targets.map(({ name }) => name).join(' or ')}; ${links.length === 0 ? 'this host sees no LUN at all' : `this host sees ${links.join(', ')}`}`,
    { next: 'look at the exports and their paths with: showvlun -a' },
  );
}
