import { execFile } from 'node:child_process';
import { mkdir, rmdir, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** One change of the kernel's target configuration or of a network interface. Paths are below `root` of `runStep`. */
export type Step =
  | { do: 'mkdir'; path: string; netns?: string | undefined }
  | { do: 'ensureDir'; path: string }
  | { do: 'write'; path: string; text: string }
  | { do: 'symlink'; path: string; to: string }
  /** These two accept that it is gone already. */
  | { do: 'unlink'; path: string }
  | { do: 'rmdir'; path: string }
  | { do: 'link'; link: string; netns: string | undefined; up: boolean };

export type RunStep = (step: Step) => Promise<void>;

/** The target directory of configfs. */
export const TARGET_ROOT = '/sys/kernel/config/target';

const COMMAND_TIMEOUT_MS = 20_000;
const run = promisify(execFile);

/** @throws Error that names the step */
export const runStep =
  (root: string): RunStep =>
  async (step) => {
    try {
      await perform(root, step);
    } catch (error) {
      throw new Error(`${JSON.stringify(withoutSecret(step))}: ${String(error)}`, { cause: error });
    }
  };

async function perform(root: string, step: Step): Promise<void> {
  switch (step.do) {
    case 'mkdir':
      return makeDir(join(root, step.path), step.netns);
    case 'ensureDir':
      return accept('EEXIST', mkdir(join(root, step.path)));
    case 'write':
      return writeFile(join(root, step.path), step.text);
    case 'symlink':
      return symlink(join(root, step.to), join(root, step.path));
    case 'unlink':
      return accept('ENOENT', unlink(join(root, step.path)));
    case 'rmdir':
      return accept('ENOENT', rmdir(join(root, step.path)));
    case 'link':
      return setLink(step);
  }
}

async function accept(code: string, work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isCode(error, code)) throw error;
  });
}

/** A portal listens in the network namespace of the process that makes its directory. */
async function makeDir(path: string, netns: string | undefined): Promise<void> {
  if (netns === undefined) return mkdir(path);
  // Not `ip netns exec`: that one hides configfs.
  await run('nsenter', [`--net=/run/netns/${netns}`, 'mkdir', path], { timeout: COMMAND_TIMEOUT_MS });
}

async function setLink({ link, netns, up }: Extract<Step, { do: 'link' }>): Promise<void> {
  const where = netns === undefined ? [] : ['-n', netns];
  await run('ip', [...where, 'link', 'set', link, up ? 'up' : 'down'], { timeout: COMMAND_TIMEOUT_MS });
}

const withoutSecret = (step: Step): Step =>
  step.do === 'write' && step.path.endsWith('/password') ? { ...step, text: '…' } : step;

export const isCode = (error: unknown, code: string): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code;
