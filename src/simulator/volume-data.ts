import { execFile } from 'node:child_process';
import { link, open, readdir, readFile, rename, rm, stat, truncate, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { asFileWork } from './file-work.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const BLOCK = 4096;
/** Longer than the tick of any kernel's file times: what is written after it has another time. */
const SETTLED_MS = 1_000;

/** Files that were copied, by the copy's name. While neither has changed since, they hold the same. */
const copied = new Map<string, { from: string; source: string; copy: string }>();

/** An empty sparse file; nothing is allocated until somebody writes. */
export async function createData(file: string, sizeMiB: number): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.truncate(sizeMiB * MIB);
  } finally {
    await handle.close();
  }
}

/** In the same inode: a loop device on the file sees its new size with `losetup --set-capacity`. */
export const growData = (file: string, sizeMiB: number): Promise<void> => truncate(file, sizeMiB * MIB);

/**
 * Makes `to` hold what `from` holds now, in a new inode: whoever still has the old one open neither sees nor disturbs it.
 * Nothing is done while both are as the last copy has left them. `cp` copies holes as holes, which node's own copy does not. While
 * somebody writes to `from`, the copy is not of one moment.
 */
export const copyData = async (from: string, to: string): Promise<void> => asFileWork(async () => copyOnce(from, to));

async function copyOnce(from: string, to: string): Promise<void> {
  const before = await stampOf(from);
  const known = copied.get(to);
  if (known?.from === from && known.source === before?.text && known.copy === (await stampOf(to))?.text) return;
  const fresh = await copyBeside(from, to);
  // A write to the copy, however soon, gives it another time.
  if (before?.isSettled === true) await utimes(fresh, before.changed, before.changed);
  await rename(fresh, to);
  const after = await stampOf(to);
  if (before?.isSettled === true && after !== undefined) {
    copied.set(to, { from, source: before.text, copy: after.text });
  } else {
    copied.delete(to);
  }
}

interface Stamp {
  /** Another one after every write to the file, if that was settled before. */
  text: string;
  changed: Date;
  isSettled: boolean;
}

/** Undefined when there is no such file. */
async function stampOf(file: string): Promise<Stamp | undefined> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  if (found === undefined) return undefined;
  const { dev, ino, size, mtimeNs, mtime } = found;
  const isSettled = Date.now() - mtime.getTime() > SETTLED_MS;
  return { text: [dev, ino, size, mtimeNs].join(), changed: mtime, isSettled };
}

/** Whether anything was ever written there; not on ZFS, which counts blocks seconds later. */
export const isWritten = async (file: string): Promise<boolean> => (await stat(file)).blocks > 0;

/** Brings to `to` only what was written into `from` since it was as in `base`. In a new inode, as copyData. */
export const copyChanges = async (from: string, base: string, to: string): Promise<void> =>
  asFileWork(async () => bringChanges(from, base, to));

async function bringChanges(from: string, base: string, to: string): Promise<void> {
  const fresh = await copyBeside(to, to);
  const [source, before, sink] = await Promise.all([open(from), open(base), open(fresh, 'r+')]);
  try {
    const { size } = await source.stat();
    for (let at = 0; at < size; at += MIB) {
      const [is, was] = await Promise.all(
        [source, before].map(async (file) => file.read(Buffer.alloc(MIB), 0, MIB, at)),
      );
      if (is === undefined || was === undefined || is.buffer.equals(was.buffer)) continue;
      for (let block = 0; block < is.bytesRead; block += BLOCK) {
        const now = is.buffer.subarray(block, block + BLOCK);
        if (!now.equals(was.buffer.subarray(block, block + BLOCK))) await sink.write(now, 0, now.length, at + block);
      }
    }
  } finally {
    await Promise.all([source, before, sink].map(async (file) => file.close()));
  }
  await rename(fresh, to);
}

/** Whether two names are one file: fabrics do that to Peer Persistence pairs. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([stat(a, { bigint: true }), stat(b, { bigint: true })]);
  return first.ino === second.ino && first.dev === second.dev;
}

/** One file under both names; what `to` held is given up. */
export async function shareData(from: string, to: string): Promise<void> {
  if (await isSameFile(from, to)) return;
  const beside = `${to}.shared`;
  await rm(beside, { force: true });
  await link(from, beside);
  await rename(beside, to);
}

/**
 * Cuts off whoever has the file open. Writes of a host to it fail from now on, so that the copy is of one moment, as after a
 * loss of power, and the host notices; where the file system has no immutable flag they go on, and the copy may be torn.
 */
export async function renewInode(file: string): Promise<void> {
  // A host has let go of it already.
  if (!(await hasLoopDevice(file))) return rename(await copyBeside(file, file), file);
  const old = await open(file, 'r');
  try {
    await setImmutable(file, true);
    let fresh: string;
    try {
      fresh = await copyBeside(file, file);
    } finally {
      // What is immutable cannot be replaced.
      await setImmutable(file, false);
    }
    await rename(fresh, file);
    await setImmutable(`/proc/${process.pid}/fd/${old.fd}`, true);
  } finally {
    await old.close();
  }
}

/**
 * Makes the file hold what `from` holds, as far as that goes, in the same inode: whoever has it open sees the new data. Only
 * what is written in `from` takes up space.
 */
export async function overwriteData(from: string, to: string): Promise<void> {
  const { size } = await stat(from);
  await asFileWork(async () => {
    await run('fallocate', ['--punch-hole', '--offset', '0', '--length', String(size), to]);
    await run('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'conv=notrunc,sparse', 'status=none']);
  });
}

/** What a copy that was broken off lacks. */
export async function loseSecondHalf(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const { size } = await handle.stat();
    await handle.truncate(Math.floor(size / 2));
    await handle.truncate(size);
  } finally {
    await handle.close();
  }
}

export async function removeData(file: string): Promise<void> {
  copied.delete(file);
  await rm(file, { force: true });
}

/** Known by its name alone, and rather once too often: an inode that was replaced under its name may live on under its twin's. */
async function hasLoopDevice(file: string): Promise<boolean> {
  const devices = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
  const files = await Promise.all(
    devices.map(async (name) => readFile(join('/sys/block', name, 'loop/backing_file'), 'utf8').catch(() => '')),
  );
  return files.some((each) => basename(each.trim().replace(/ \(deleted\)$/, '')) === basename(file));
}

async function copyBeside(from: string, to: string): Promise<string> {
  const fresh = `${to}.new`;
  if (!(await isWritten(from))) {
    await createData(fresh, (await stat(from)).size / MIB);
    return fresh;
  }
  await run('cp', ['--sparse=always', '--reflink=auto', '--', from, fresh]);
  return fresh;
}

async function setImmutable(file: string, immutable: boolean): Promise<void> {
  await run('chattr', [immutable ? '+i' : '-i', '--', file]).catch(() => undefined);
}
