import { expect, it } from '@jest/globals';
import { OtherNodes } from '../../../src/commands/other-nodes.js';
import type { Write } from '../../../src/contracts/store.js';
import { haltKey, type Halt } from '../../../src/domain/group-run.js';
import { checkWriteCount } from '../../../src/store/records.js';

it('a run forgets the answers of more nodes than a transaction holds', async () => {
  const halts: Halt[] = Array.from({ length: 40 }, (_each, at) => ({
    backend: 'DEFAULT',
    group: 'g',
    node: `node-${at}`,
    nodeName: `docker${at}`,
    containers: [],
  }));
  const said: string[] = [];
  const left = new Set(halts.map(haltKey));
  const parts = {
    store: { list: async () => Promise.resolve(halts) },
    lock: {
      commit: async (writes: Write[]) => {
        checkWriteCount(writes);
        for (const { key } of writes) left.delete(key);
        return Promise.resolve();
      },
    },
    group: { backend: 'DEFAULT', name: 'g' },
    progress: { say: (text: string) => said.push(text) },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const others = new OtherNodes(parts as unknown as ConstructorParameters<typeof OtherNodes>[0]);
  expect(await others.start()).toEqual([]);
  expect({ said, left: [...left] }).toEqual({ said: [], left: [] });
});
