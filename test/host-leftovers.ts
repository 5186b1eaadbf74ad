import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Loop devices and mounts that hang on files below the directory: what a test must not leave behind. */
export async function hostLeftovers(dir: string): Promise<string[]> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  const mounts = mountinfo.split('\n').filter((line) => line.includes(dir));
  const loops = (await loopDevicesOf(dir)).map(({ path, file }) => `${path}: ${file}`);
  return [...mounts, ...loops];
}

/** Unmounts all that is mounted below the directory, the last first. */
export async function unmountBelow(dir: string): Promise<void> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  const targets = mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const target of targets.filter((each) => each.startsWith(`${dir}/`)).toReversed()) {
    await execute('umount', [target]);
  }
}

/** Frees the loop devices on files below the directory. */
export async function freeLoopDevicesOf(dir: string): Promise<void> {
  for (const { path } of await loopDevicesOf(dir)) await execute('losetup', ['--detach', path]);
}

async function loopDevicesOf(dir: string): Promise<{ path: string; file: string }[]> {
  const loops: { path: string; file: string }[] = [];
  for (const name of (await readdir('/sys/block')).filter((each) => each.startsWith('loop'))) {
    const file = (await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')).trim();
    if (file.includes(dir)) loops.push({ path: `/dev/${name}`, file });
  }
  return loops;
}
