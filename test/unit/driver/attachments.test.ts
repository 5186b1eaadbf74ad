import { expect, it } from '@jest/globals';
import { Attachments } from '../../../src/driver/attachments.js';
import type { DriverContext } from '../../../src/driver/context.js';
import type { Operations } from '../../../src/driver/operations.js';
import { anAttachment } from '../../contract/store-records.js';

/** Node by volume. */
type Holders = Record<string, string>;

const records = (holders: Holders): ReturnType<typeof anAttachment>[] =>
  Object.entries(holders).map(([volume, node]) => ({ ...anAttachment(volume), node }));

/** What this node has attached, and whose records were read for it. */
async function ownOf(metadata: Holders | Error, known?: Holders): Promise<{ own: string[]; read: string[] }> {
  const read: string[] = [];
  const answer = (wanted: (volume: string) => boolean): ReturnType<typeof records> => {
    if (metadata instanceof Error) throw metadata;
    const found = records(metadata).filter(({ volume }) => wanted(volume));
    read.push(...found.map(({ volume }) => volume));
    return found;
  };
  const store = {
    list: async () => Promise.resolve(answer(() => true)),
    findAll: async (names: [string, string][]) =>
      Promise.resolve(names.map(([, name]) => answer((volume) => volume === name)[0])),
  };
  const attachments = new Map(records(known ?? {}).map((each) => [each.volume, each]));
  const lastSeen = { outline: () => (known === undefined ? undefined : { attachments }) };
  const ctx = { store, lastSeen, node: { id: 'here' }, journal: { mounts: () => [] } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const ofNode = new Attachments(ctx as unknown as DriverContext, {} as Operations);
  const own = await ofNode.listOwn(AbortSignal.timeout(1_000));
  return { own: own.map(({ volume }) => volume), read };
}

it('what this node has attached is found among all while not all volumes are known', async () => {
  expect(await ownOf({ a: 'here', b: 'there' })).toEqual({ own: ['a'], read: ['a', 'b'] });
});

it('from then on only its own are read, and the record decides', async () => {
  const known = { a: 'here', b: 'there', taken: 'here' };
  const found = await ownOf({ a: 'here', b: 'there', taken: 'there' }, known);
  expect(found).toEqual({ own: ['a'], read: ['a', 'taken'] });
});

it('what is known is no answer while the metadata cannot be read: it is said once, not for each volume', async () => {
  await expect(ownOf(new Error('away'), { a: 'here', b: 'here' })).rejects.toThrow('away');
});
