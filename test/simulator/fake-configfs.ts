import { dirname } from 'node:path';
import type { Step } from '../../src/simulator/lio-steps.js';

/** The kernel's rules for target directories, without a kernel: what it refuses, this refuses. */
export class FakeConfigfs {
  readonly dirs = new Set<string>(['core']);
  readonly links = new Map<string, string>();
  /** Every step in words, in order. */
  done: string[] = [];
  /** Refused once, by its words. */
  refuse: string | undefined;

  readonly run = async (step: Step): Promise<void> => {
    await Promise.resolve();
    const words = describe(step);
    if (this.refuse === words) {
      this.refuse = undefined;
      throw new Error(`refused: ${words}`);
    }
    this.#check(step, words);
    this.done.push(words);
  };

  /** The steps since the last call. */
  take(): string[] {
    return this.done.splice(0);
  }

  #check(step: Step, words: string): void {
    const fail = (reason: string): never => {
      throw new Error(`${reason}: ${words}`);
    };
    switch (step.do) {
      case 'mkdir':
        if (this.dirs.has(step.path)) fail('EEXIST');
        if (!this.#isBelowDir(step.path)) fail('ENOENT');
        this.dirs.add(step.path);
        break;
      case 'ensureDir':
        this.dirs.add(step.path);
        break;
      case 'write':
        if (!this.#isBelowDir(step.path)) fail('ENOENT');
        if (step.path.includes('/wwn/') && this.#isLinked(dirname(dirname(step.path)))) fail('EINVAL');
        break;
      case 'symlink':
        if (!this.dirs.has(dirname(step.path)) || !this.dirs.has(step.to)) fail('ENOENT');
        this.links.set(step.path, step.to);
        break;
      case 'unlink':
        this.links.delete(step.path);
        break;
      case 'rmdir':
        if (this.#isLinked(step.path)) fail('EBUSY');
        if ([...this.dirs, ...this.links.keys()].some((path) => path.startsWith(`${step.path}/`))) fail('ENOTEMPTY');
        this.dirs.delete(step.path);
        break;
      case 'link':
        break;
    }
  }

  /** `acls`, `lun`, `attrib` and their like come with the directory that they are in. */
  #isBelowDir(path: string): boolean {
    return this.dirs.has(dirname(path)) || this.dirs.has(dirname(dirname(path)));
  }

  #isLinked(path: string): boolean {
    return [...this.links.values()].includes(path);
  }
}

function describe(step: Step): string {
  if (step.do === 'link') return `${step.netns ?? 'host'} ${step.link} ${step.up ? 'up' : 'down'}`;
  const words = [step.do, step.path];
  if (step.do === 'mkdir' && step.netns !== undefined) words.push('in', step.netns);
  if (step.do === 'write') words.push(step.text);
  if (step.do === 'symlink') words.push(step.to);
  return words.join(' ');
}
