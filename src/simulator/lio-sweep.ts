import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isCode } from './lio-steps.js';
import type { Step } from './lio-steps.js';

/** What removes a target with all that hangs on it. */
export async function planTargetRemoval(root: string, target: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (const group of await list(root, target, /^tpgt_/)) {
    // Sessions end here; an FC target has no such file.
    if ((await list(root, group, /^enable$/)).length > 0) {
      steps.push({ do: 'write', path: `${group}/enable`, text: '0' });
    }
    for (const acl of await list(root, `${group}/acls`)) {
      for (const lun of await list(root, acl, /^lun_/)) steps.push(...(await planUnlinking(root, lun)));
      steps.push({ do: 'rmdir', path: acl });
    }
    for (const lun of await list(root, `${group}/lun`)) steps.push(...(await planUnlinking(root, lun)));
    for (const portal of await list(root, `${group}/np`)) steps.push({ do: 'rmdir', path: portal });
    steps.push({ do: 'rmdir', path: group });
  }
  if (await exists(root, target)) steps.push({ do: 'rmdir', path: target });
  return steps;
}

/** What removes all devices of an array. */
export async function planDeviceRemoval(root: string, hba: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (const device of await list(root, hba, /^volume-/)) {
    const groups = await list(root, `${device}/alua`);
    for (const group of groups) if (!group.endsWith('/default_tg_pt_gp')) steps.push({ do: 'rmdir', path: group });
    steps.push({ do: 'rmdir', path: device });
  }
  if (await exists(root, hba)) steps.push({ do: 'rmdir', path: hba });
  return steps;
}

/** A LUN directory with its link. */
async function planUnlinking(root: string, lun: string): Promise<Step[]> {
  const entries = await readdir(join(root, lun), { withFileTypes: true });
  const links = entries.filter((entry) => entry.isSymbolicLink());
  return [...links.map(({ name }): Step => ({ do: 'unlink', path: `${lun}/${name}` })), { do: 'rmdir', path: lun }];
}

const exists = async (root: string, path: string): Promise<boolean> => (await names(join(root, path))) !== undefined;

/** Paths of what is in a directory; none if it is missing. */
async function list(root: string, path: string, pattern = /./): Promise<string[]> {
  const found = (await names(join(root, path))) ?? [];
  return found.filter((name) => pattern.test(name)).map((name) => `${path}/${name}`);
}

async function names(dir: string): Promise<string[] | undefined> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
