import { describe, expect, it } from '@jest/globals';
import { parseRelease, release } from '../../../src/commands/release.js';
import { UsageError } from '../../../src/commands/usage.js';

describe('the command line of release', () => {
  it('takes a volume', () => {
    expect(parseRelease(['db'])).toEqual({
      order: { volume: 'db', withoutComment: false },
      stateDir: '/var/lib/hpe-volume-plugin',
    });
    expect(parseRelease(['db', '--without-comment']).order.withoutComment).toBe(true);
    expect(parseRelease(['--state-dir=/s', 'db']).stateDir).toBe('/s');
  });

  it.each([
    [[], 'one volume'],
    [['db', 'db2'], 'one volume'],
    [['../x'], 'volume name'],
    [['db', '--force'], '--force'],
  ])('refuses %j as wrong usage', (args, why) => {
    expect(() => parseRelease(args)).toThrow(UsageError);
    expect(() => parseRelease(args)).toThrow(why);
  });

  it('needs a daemon', async () => {
    await expect(release(['db', '--state-dir', '/nowhere'])).rejects.toMatchObject({ code: 'refused' });
  });
});
