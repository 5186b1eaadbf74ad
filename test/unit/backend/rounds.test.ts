import { expect, it } from '@jest/globals';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { Rounds } from '../../../src/backend/rounds.js';
import { createLogger, withLogContext } from '../../../src/log.js';

it('a round that a request asked for does not log as a part of it, since it is for everybody', async () => {
  const output = new PassThrough();
  const logger = createLogger('info', output);
  let ran = 0;
  const rounds = new Rounds(async () => {
    ran += 1;
    logger.info(`round ${ran}`);
    await Promise.resolve();
  }, 60_000);
  rounds.start();
  await turn();
  withLogContext({ verb: 'Mount', volume: 'db' }, () => rounds.trigger());
  await turn();
  await rounds.stop();
  const lines = String(output.read())
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  expect(lines).toEqual([
    expect.objectContaining({ message: 'round 1' }),
    expect.not.objectContaining({ volume: 'db' }),
  ]);
});
