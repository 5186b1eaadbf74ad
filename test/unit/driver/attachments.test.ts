import { expect, it } from '@jest/globals';
import { Attachments } from '../../../src/driver/attachments.js';
import type { DriverContext } from '../../../src/driver/context.js';
import type { Operations } from '../../../src/driver/operations.js';

const held = (volume: string, node: string): { volume: string; node: string } => ({ volume, node });

/** What this node has attached, when the metadata and what is known of all volumes say so. */
async function ownOf(said: {
  metadata: ReturnType<typeof held>[];
  known?: ReturnType<typeof held>[];
}): Promise<string[]> {
  const { metadata, known } = said;
  const attachments = new Map(known?.map((each) => [each.volume, each]));
  const ctx = {
    store: { list: async () => Promise.resolve(metadata) },
    lastSeen: { outline: () => (known === undefined ? undefined : { attachments }) },
    node: { id: 'here' },
    journal: { mounts: () => [] },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const attachmentsOfNode = new Attachments(ctx as unknown as DriverContext, {} as Operations);
  return attachmentsOfNode.listOwn(AbortSignal.timeout(1_000));
}

it('what this node has attached is read from the metadata while not all volumes are known', async () => {
  expect(await ownOf({ metadata: [held('a', 'here'), held('b', 'there')] })).toEqual(['a']);
});

it('and of what is known, without the attachments of all nodes, from then on', async () => {
  expect(await ownOf({ metadata: [held('old', 'here')], known: [held('a', 'here'), held('b', 'there')] })).toEqual([
    'a',
  ]);
});
