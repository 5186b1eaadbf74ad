import { readdir, readFile } from 'node:fs/promises';

/** Loop devices and mounts that hang on files below the directory: what a test must not leave behind. */
export async function hostLeftovers(dir: string): Promise<string[]> {
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8');
  const mounts = mountinfo.split('\n').filter((line) => line.includes(dir));
  const loops: string[] = [];
  for (const name of (await readdir('/sys/block')).filter((each) => each.startsWith('loop'))) {
    const backing = await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '');
    if (backing.includes(dir)) loops.push(`${name}: ${backing.trim()}`);
  }
  return [...mounts, ...loops];
}
