import { describe, expect, it } from '@jest/globals';
import { parseResize, resize } from '../../../src/commands/resize.js';
import { UsageError } from '../../../src/commands/usage.js';

describe('the command line of resize', () => {
  it('takes a volume and a size', () => {
    expect(parseResize(['db', '20'])).toEqual({
      order: { volume: 'db', gib: 20 },
      stateDir: '/var/lib/hpe-volume-plugin',
    });
    expect(parseResize(['--state-dir=/s', 'db', '20']).stateDir).toBe('/s');
  });

  it.each([
    [[], 'one volume, and the size'],
    [['db'], 'one volume, and the size'],
    [['db', '20', '30'], 'one volume, and the size'],
    [['../x', '20'], 'volume name'],
    [['db', '+20'], '"+20"'],
    [['db', '20G'], '"20G"'],
    [['db', '1.5'], '"1.5"'],
    [['db', '0'], '"0"'],
    [['db', '20', '--force'], '--force'],
  ])('refuses %j as wrong usage', (args, why) => {
    expect(() => parseResize(args)).toThrow(UsageError);
    expect(() => parseResize(args)).toThrow(why);
  });

  it('needs a daemon', async () => {
    await expect(resize(['db', '20', '--state-dir', '/nowhere'])).rejects.toMatchObject({ code: 'refused' });
  });
});
