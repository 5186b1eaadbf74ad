import { expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { ArrayClient, Contact } from '../../../src/contracts/array.js';
import type { Volume } from '../../../src/domain/volume.js';
import { mayBeGone } from '../../../src/driver/expiry.js';

const HOUR_MS = 3_600_000;

function backendOf(contact: Contact | undefined): Backend {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const array = { lastContact: () => contact } as ArrayClient;
  return new Backend({ name: 'one', cpg: {}, snapCpg: {} }, { primary: array });
}

const expiringIn = (hours: number): Volume => {
  const expiresAt = new Date(Date.now() + hours * HOUR_MS).toISOString();
  const origin = { kind: 'snapshot', of: 'v', ofId: 'id', side: 'primary', expiresAt };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { name: 's', origin } as unknown as Volume;
};

it.each([
  ['is asked about when its time is over', -1, { at: 0, clockAheadMs: 0 }, true],
  ['is left alone before', 1, { at: 0, clockAheadMs: 0 }, false],
  ['goes by the clock of an array that is ahead', 1, { at: 0, clockAheadMs: 2 * HOUR_MS }, true],
  ['goes by the clock of an array that is behind', -1, { at: 0, clockAheadMs: -2 * HOUR_MS }, false],
  ['is asked about while the clock of the array is not known', 1, undefined, true],
  ['is asked about when the array was silent last, and told no time', 1, { at: 0, failure: 'silent' }, true],
])('an expiring snapshot %s', (_what, hours, contact, isAsked) => {
  expect(mayBeGone(backendOf(contact), expiringIn(hours))).toBe(isAsked);
});
