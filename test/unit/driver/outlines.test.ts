import { expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Outlines } from '../../../src/driver/outlines.js';
import { aVolume } from '../../contract/store-records.js';

setFlagsFromString('--expose-gc');
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const collectGarbage = runInNewContext('gc') as () => void;

it('volumes that are gone leave nothing behind, whatever groups they were in', () => {
  const outlines = new Outlines();
  const comeAndGo = (from: number, to: number): number => {
    for (let i = from; i < to; i += 1) {
      const { spec } = aVolume('v');
      const replicationGroup = `group-${i}-${'x'.repeat(200)}`;
      outlines.take('volume', `v${i}`, aVolume(`v${i}`, { spec: { ...spec, replicationGroup } }));
      outlines.take('volume', `v${i}`, undefined);
    }
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = comeAndGo(0, 10_000);
  expect(comeAndGo(10_000, 40_000) - before).toBeLessThan(4_000_000);
  expect(outlines.names()).toEqual([]);
});
