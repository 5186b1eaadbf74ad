import { describe, expect, it } from '@jest/globals';
import { parseOverride } from '../../../src/commands/override.js';
import { UsageError } from '../../../src/commands/usage.js';
import { overrideCommand } from '../../../src/domain/override.js';

const typed = (line: string): string[] => line.split(' ').filter((word) => word !== '');
const DEFAULTS = { configFile: '/etc/hpedockerplugin/hpe.conf', stateDir: '/var/lib/hpe-volume-plugin' };

describe('the command line of override', () => {
  it('takes the four words in any order, a reason of several words, and the way back', () => {
    const make = { volume: 'db', side: 'secondary', seconds: 1_800, reason: 'the primary burnt down' };
    const reason = '--reason=the primary burnt down';
    for (const args of [
      ['db', '--side', 'secondary', '--for', '30m', reason],
      [reason, '--for=30m', '--side=secondary', 'db'],
    ]) {
      expect(parseOverride(args)).toEqual({ order: { make }, where: DEFAULTS });
    }
    expect(parseOverride(typed('db --end --state-dir /s --config /c'))).toEqual({
      order: { end: 'db' },
      where: { configFile: '/c', stateDir: '/s' },
    });
  });

  it('takes what a refusal prints as the last resort', () => {
    const [, , ...args] = typed(overrideCommand('db', 'primary'));
    expect(parseOverride(args).order).toEqual({
      make: { volume: 'db', side: 'primary', seconds: 1_800, reason: 'TEXT' },
    });
  });

  it.each([
    ['', 'one volume'],
    ['--side primary --for 30m --reason x', 'one volume'],
    ['a b --side primary --for 30m --reason x', 'one volume'],
    ['../x --side primary --for 30m --reason x', 'volume name'],
    ['db', 'needs --side, --for and --reason'],
    ['db --side primary --for 30m', 'needs --side, --for and --reason'],
    ['db --side primary --for 30m --reason=', 'reason is empty'],
    ['db --for 30m --reason x', 'needs --side'],
    ['db --side primary --reason x', 'needs --side, --for'],
    ['db --side primry --for 30m --reason x', '"primry"'],
    ['db --side primary --for 30min --reason x', '"30min"'],
    ['db --side primary --for 25h --reason x', '24h'],
    ['db --end --side primary', '--end goes with no other'],
    ['db --side primary --for 30m --reason x --force', '--force'],
  ])('refuses %j as wrong usage', (line, why) => {
    expect(() => parseOverride(typed(line))).toThrow(UsageError);
    expect(() => parseOverride(typed(line))).toThrow(why);
  });
});
