import { run } from './command.js';

const SECTOR = 512;

/** While `work` runs, the file is in truth a disk whose sectors from `at` on, 4 KiB, cannot be read. */
export async function withBadSectors(
  { file, size, at }: { file: string; size: number; at: number },
  work: () => Promise<void>,
): Promise<void> {
  const loop = (await run('losetup', ['--find', '--show', file])).trim();
  const [bad, end] = [at / SECTOR, size / SECTOR];
  const table = [
    `0 ${bad} linear ${loop} 0`,
    `${bad} 8 error`,
    `${bad + 8} ${end - bad - 8} linear ${loop} ${bad + 8}`,
  ].join('\n');
  await run('dmsetup', ['create', 'bad-sectors', '--noudevsync'], table);
  await run('mount', ['--bind', '/dev/mapper/bad-sectors', file]);
  try {
    await work();
  } finally {
    await run('umount', [file]);
    await run('dmsetup', ['remove', '--retry', 'bad-sectors']);
    await run('losetup', ['--detach', loop]);
  }
}
