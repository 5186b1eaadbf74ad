import { expect, it } from '@jest/globals';
import type { MetadataStore } from '../../../src/contracts/store.js';
import { readKnown } from '../../../src/driver/known.js';
import type { Volume } from '../../../src/domain/volume.js';
import { aGroup, aVolume } from '../../contract/store-records.js';

const signal = AbortSignal.timeout(10_000);
const v = aVolume('v');
const volume: Volume = { ...v, spec: { ...v.spec, backend: 'b', replicationGroup: 'now' } };
const now = aGroup('b', 'now');
const before = aGroup('b', 'before');

/** A store of that volume and of both groups; what it was asked for beside the question is told. */
function storeOf(found = [volume]): { store: MetadataStore; asked: string[] } {
  const asked: string[] = [];
  const records = new Map<string, unknown>([
    ...found.map((each) => [`volume/${each.name}`, each] as const),
    ['group/b/now', now],
    ['group/b/before', before],
  ]);
  const store = {
    findAll: async (names: [string, string][]) => Promise.resolve(names.map((name) => records.get(name.join('/')))),
    find: async (kind: string, key: string) => {
      asked.push(`${kind}/${key}`);
      return Promise.resolve(records.get(`${kind}/${key}`));
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { store: store as unknown as MetadataStore, asked };
}

it('the group of a volume is the one on record, whichever was the likely one', async () => {
  for (const [likely, more] of [
    ['b/now', []],
    ['b/before', ['group/b/now']],
    [undefined, ['group/b/now']],
  ] as const) {
    const { store, asked } = storeOf();
    const known = await readKnown(store, { name: 'v', group: { likely } }, signal);
    expect(known).toMatchObject({ volume, group: now });
    expect(asked).toEqual(more);
  }
});

it('a plain volume has no group, whatever it was in before', async () => {
  const { store, asked } = storeOf([v]);
  const known = await readKnown(store, { name: 'v', group: { likely: 'b/before' } }, signal);
  expect(known).toMatchObject({ volume: v, group: undefined });
  expect(asked).toEqual([]);
});

it('of a volume that is not there the likely group is told', async () => {
  const { store } = storeOf([]);
  const known = await readKnown(store, { name: 'v', group: { likely: 'b/before' } }, signal);
  expect(known).toMatchObject({ volume: undefined, group: before });
});
