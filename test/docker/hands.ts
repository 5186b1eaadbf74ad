import { expect } from '@jest/globals';
import { arrayObjects, arraysExporting } from '../simulator-state.js';
import { waitFor } from './dockerd.js';
import { IMAGE } from './engine.js';
import type { Stack } from './stack.js';

/** The recovery round comes every minute. */
const RECOVERY_MS = 100_000;

/** Name of the container that a test calls `name`. */
export const container = (name: string): string => `hpe-docker-test-${name}`;

/** What a test does with the engine of its stack; all that it made is gone after `leaveNothing`. */
export function hands(get: () => Pick<Stack, 'engine' | 'driver' | 'control'>) {
  const docker = async (...args: string[]): Promise<string> => get().engine.docker(...args);
  const made = { volumes: new Set<string>(), containers: new Set<string>() };
  /** A container with the volume at /data that stays until it is stopped; `more` are options of `docker run`. */
  const run = async (name: string, volume: string, ...more: string[]): Promise<string> => {
    made.containers.add(name);
    const options = ['--name', container(name), '--network', 'none', '-v', `${volume}:/data`, ...more];
    return docker('run', '-d', ...options, IMAGE, 'sleep', '100000');
  };
  const rm = async (name: string): Promise<string> => docker('rm', '-f', container(name));
  const servedBy = async (volume: string): Promise<string[]> => {
    const arrayVolume = await docker('volume', 'inspect', '-f', '{{.Status.arrayVolume}}', volume);
    return arraysExporting(get().control, arrayVolume);
  };
  return {
    docker,
    async create(name: string, ...options: string[]): Promise<string> {
      made.volumes.add(name);
      const all = options.flatMap((option) => ['-o', option]);
      return docker('volume', 'create', '-d', get().driver, ...all, name);
    },
    run,
    /** Name of a container that the test makes by itself; it is removed with the others. */
    adopt(name: string): string {
      made.containers.add(name);
      return container(name);
    },
    inside: async (name: string, script: string) => docker('exec', container(name), 'sh', '-c', script),
    stop: async (name: string) => docker('stop', '-t', '1', container(name)),
    start: async (name: string) => docker('start', container(name)),
    rm,
    servedBy,
    isRunning: async (name: string) =>
      (await docker('inspect', '-f', '{{.State.Running}}', container(name))) === 'true',
    eventually: async (timeoutMs: number, work: () => Promise<void>) => waitFor(work, timeoutMs),
    /** Waits until no array exports the volume and nobody is on record as its holder. */
    eventuallyUnused: async (volume: string, timeoutMs = RECOVERY_MS) =>
      waitFor(async () => {
        expect(await servedBy(volume)).toEqual([]);
        expect(await docker('volume', 'inspect', '-f', '{{json .Status.holder}}', volume)).toBe('null');
      }, timeoutMs),
    /** Removes the containers and volumes of the test; neither array may hold anything then. */
    async leaveNothing(): Promise<void> {
      for (const name of made.containers) await rm(name);
      for (const name of made.volumes) await docker('volume', 'rm', '-f', name);
      made.containers.clear();
      made.volumes.clear();
      expect(await arrayObjects(get().control)).toEqual([]);
    },
  };
}

/** What the docker client printed; the error is of Node's own realm, so `instanceof` says nothing here. */
export async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'no failure', String);
}
