import { describe, expect, it } from '@jest/globals';
import type { RemoteCopy } from '../../../src/contracts/array.js';
import { DriverError } from '../../../src/domain/errors.js';
import { Dismissals } from '../../../src/driver/dismissals.js';
import { Seat } from '../../../src/driver/seat.js';

const { signal } = new AbortController();

/** Only what a dismissal asks of it. */
function silentAfter(failure: DriverError): RemoteCopy {
  const remoteCopy: Pick<RemoteCopy, 'dismiss' | 'findGroup'> = {
    dismiss: async () => Promise.reject(failure),
    findGroup: async () => Promise.reject(new DriverError('unavailable', 'the array did not answer')),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return remoteCopy as RemoteCopy;
}

describe('a dismissal from a group', () => {
  // With `unavailable` its removal turned back, and a dismissal that was carried out late left a ready volume out of its group.
  it('stays unanswered when the array falls silent before the group can be looked at', async () => {
    const lost = new DriverError('unknown-outcome', 'the answer was lost; it may or may not be done');
    const dismissals = new Dismissals(silentAfter(lost), 'g');
    await expect(dismissals.dismiss(new Seat(() => undefined), 'dcv-x', signal)).rejects.toBe(lost);
  });
});
