import { expect, it } from '@jest/globals';
import type { RecordKind } from '../../../src/contracts/store.js';
import type { DriverContext } from '../../../src/driver/context.js';
import { Inventory } from '../../../src/driver/inventory.js';

it('List does not show a volume whose creation is undone while it reads', async () => {
  const keys: Partial<Record<RecordKind, string[]>> = { volume: ['undone'], operation: ['undone'] };
  const store = {
    keys: async (kind: RecordKind) => Promise.resolve(keys[kind]),
    findAll: async (wanted: unknown[]) => Promise.resolve(wanted.map(() => undefined)),
  };
  const ctx = { store, journal: { mounts: () => [] }, node: { id: 'node-id' } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const inventory = new Inventory(ctx as unknown as DriverContext);
  expect(await inventory.list(AbortSignal.timeout(1_000))).toEqual([]);
});
