import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A small block device that stands for every map of a fake host. */
export interface MapNode {
  path: string;
  remove(): Promise<void>;
}

export async function makeMapNode(): Promise<MapNode> {
  const dir = await mkdtemp(path.join(tmpdir(), 'san-'));
  const file = path.join(dir, 'map');
  await writeFile(file, '');
  await truncate(file, 1024 * 1024);
  const node = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  return {
    path: node,
    remove: async () => {
      execFileSync('losetup', ['--detach', node]);
      await rm(dir, { recursive: true });
    },
  };
}
