import { describe, expect, it } from '@jest/globals';
import nock from 'nock';
import type { ArrayClient } from '../../../src/contracts/array.js';
import { failureOf } from './array-settings.js';
import { mocked } from './mocked-array.js';
import { LOST } from './vlun-answers.js';

/** One change, the request that makes it, and what the array shows after and without it. */
export interface ChangeCase {
  name: string;
  run(array: ArrayClient): Promise<unknown>;
  before?(api: nock.Scope): void;
  /** What is acknowledged is taken for done here: whoever called looks at it later. */
  readBackByCaller?: true;
  change(api: nock.Scope): nock.Interceptor;
  done(api: nock.Scope): void;
  /** As often as it is asked. */
  undone(api: nock.Scope): nock.Scope;
  after?(api: nock.Scope): void;
}

/** What holds for every change of an array: the state that is read back decides (rules 31 and 39). */
export function describeChanges(cases: ChangeCase[]): void {
  describe.each(cases)('$name', (each) => {
    const begin = (): ReturnType<typeof mocked> => {
      const mock = mocked();
      each.before?.(mock.api);
      return mock;
    };

    it('is done when the array says so and shows it', async () => {
      const { array, api } = begin();
      each.change(api).reply(200);
      each.done(api);
      await each.run(array);
      expect(api.isDone()).toBe(true);
    });

    it('is done when the answer was lost, but the state shows it', async () => {
      const { array, api } = begin();
      each.change(api).replyWithError(LOST);
      each.done(api);
      await each.run(array);
      expect(api.isDone()).toBe(true);
    });

    it('is done when the array answered with a server error after the deed', async () => {
      const { array, api } = begin();
      each.change(api).reply(500, { code: 1, desc: 'internal server error' });
      each.done(api);
      await each.run(array);
      expect(api.isDone()).toBe(true);
    });

    it('fails with an unknown outcome when the answer was lost and the state does not show it, and is not sent twice', async () => {
      const { array, api } = begin();
      each.change(api).replyWithError(LOST);
      each.undone(api).persist();
      const failure = await failureOf(each.run(array));
      expect(failure.code).toBe('unknown-outcome');
      expect(failure.message).toContain('its answer was lost');
      nock.cleanAll();
    });

    // Its caller reads it back, with other changes.
    if (each.readBackByCaller === true) return;
    it('notices a 200 that was not done', async () => {
      const { array, api } = begin();
      each.change(api).reply(200);
      each.undone(api).persist();
      const failure = await failureOf(each.run(array));
      expect(failure.code).toBe('unavailable');
      nock.cleanAll();
    });
  });
}
