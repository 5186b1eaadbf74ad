import { describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { Recovery } from '../../../src/driver/recover.js';
import type { DriverContext } from '../../../src/driver/context.js';

type Parts = ConstructorParameters<typeof Recovery>[1];

/** One round with a store that answers or not; returns the backends whose host was tidied. */
async function tidiedIn(listed: () => Promise<unknown[]>): Promise<string[]> {
  const tidied: string[] = [];
  const warnings: string[] = [];
  const none = (): unknown[] => [];
  const ctx = {
    store: { list: listed, watch: () => () => undefined },
    journal: { mounts: none, deferredRemovals: none, waits: none },
    groups: { owed: async () => Promise.resolve([]) },
    backends: { all: () => [{ name: 'a' }, { name: 'b' }] },
    connector: ({ name }: { name: string }) => ({
      tidy: async () => {
        tidied.push(name);
        return name === 'a' ? Promise.reject(new Error('no iscsiadm')) : Promise.resolve();
      },
    }),
    logger: { warn: (message: string) => void warnings.push(message) },
    node: { id: 'n1' },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const recovery = new Recovery(ctx as unknown as DriverContext, {} as unknown as Parts);
  recovery.start();
  const deadline = performance.now() + 5_000;
  while (warnings.length < 6 && tidied.length < 2 && performance.now() < deadline) await pause(20);
  await recovery.stop();
  return tidied;
}

describe('the recovery round', () => {
  it('tidies this host for each backend, also after one that fails', async () => {
    expect(await tidiedIn(async () => Promise.resolve([]))).toEqual(['a', 'b']);
  });

  it('rule 42: leaves the host alone while the metadata cannot be read', async () => {
    expect(await tidiedIn(async () => Promise.reject(new Error('no etcd')))).toEqual([]);
  });
});
