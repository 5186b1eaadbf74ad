import { expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { PolledGroup } from '../../../src/backend/status-poll.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import { viewOf } from '../../../src/driver/view.js';

/* oxlint-disable typescript/no-unsafe-type-assertion */
function replicationOf(ageSeconds: PolledGroup['ageSeconds']): unknown {
  const backend = new Backend(
    { name: 'one', cpg: {}, snapCpg: {}, replication: { mode: 'synchronous', strict: false, target: 'far' } as never },
    { primary: { label: 'near' } as ArrayClient, secondary: { label: 'far' } as ArrayClient },
  );
  const silent = { silent: true, text: 'far cannot be reached' };
  const observation = {
    groups: {},
    failures: { primary: { silent: false, text: 'has no group web' }, secondary: silent },
  };
  const volume = { name: 'v', arrayName: 'dcv-1', spec: { backend: 'one' }, wwn: {}, cpg: {}, snapCpg: {} };
  const group = { backend: 'one', name: 'web', remoteName: 'web.r1', createdByUs: true, epoch: 1 };
  const records = { volume, group } as never;
  return viewOf({ node: 'n', records, mount: undefined, backend, polled: { observation, ageSeconds } }).status[
    'replication'
  ];
}
/* oxlint-enable */

it('an array that is asked less often tells the age of its silence, beside that of what the other one said', () => {
  expect(replicationOf({ primary: 7, secondary: 112 })).toMatchObject({
    primary: { array: 'near', problem: 'has no group web' },
    secondary: { array: 'far', problem: 'far cannot be reached', ageSeconds: 112 },
    ageSeconds: 7,
  });
  expect(replicationOf({ primary: 7, secondary: 7 })).toMatchObject({
    secondary: expect.not.objectContaining({ ageSeconds: expect.anything() }),
    ageSeconds: 7,
  });
});
