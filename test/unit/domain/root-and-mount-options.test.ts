import { describe, expect, it } from '@jest/globals';
import { parseMountOptions } from '../../../src/domain/mount-options.js';
import { parseMode, parseOwner, rootDirectoryOf } from '../../../src/domain/root-directory.js';

describe('fsOwner and fsMode', () => {
  it.each(['0:0', '1001:1001', '4294967294:65534'])('takes the owner %s', (text) => {
    expect(parseOwner(text)).toBe(text);
  });

  it.each([
    '',
    '1001',
    '1001:',
    ':1001',
    'root:root',
    '-1:0',
    '1:2:3',
    '0x1:1',
    '1 : 1',
    '4294967295:0',
    '1:99999999999',
  ])('refuses the owner %j', (text) => {
    expect(() => parseOwner(text)).toThrow('uid:gid');
  });

  it.each(['0', '755', '0755', '1777', '4755'])('takes the mode %s as it is', (text) => {
    expect(parseMode(text)).toBe(text);
  });

  it.each(['', '8', '00755', 'u+x', '0o755', ' 755', '755\n'])('refuses the mode %j', (text) => {
    expect(() => parseMode(text)).toThrow('octal');
  });

  it('asks for nothing when neither is there', () => {
    expect(rootDirectoryOf({})).toBeUndefined();
    expect(rootDirectoryOf({ fsOwner: '1:2' })).toEqual({ owner: '1:2' });
    expect(rootDirectoryOf({ fsOwner: '1:2', fsMode: '0700' })).toEqual({ owner: '1:2', mode: '0700' });
  });
});

describe('mountOptions', () => {
  it.each([
    ['noatime', undefined],
    ['noatime,nodev,nosuid,noexec,discard', undefined],
    ['commit=1,data=journal', 'ext4'],
    ['logbufs=8,logbsize=256k', 'xfs'],
    ['logbufs=8,commit=5', undefined],
  ] as const)('takes %s', (text, type) => {
    expect(parseMountOptions(text, type)).toBe(text);
  });

  it.each([
    ['', undefined, '""'],
    ['noatime,', undefined, '""'],
    ['noatime, nodev', undefined, '" nodev"'],
    ['noatime nodev', undefined, 'known: '],
    ['noatime=1', undefined, '"noatime=1"'],
    ['noatime,noatime', undefined, 'noatime is there twice'],
    ['relatime,noatime', undefined, 'noatime and relatime contradict'],
    ['discard,nodiscard', undefined, 'discard and nodiscard contradict'],
    ['errors=continue', 'ext4', 'errors is not taken'],
    ['errors=panic', 'ext4', 'errors is not taken'],
    ['nouuid', 'xfs', 'nouuid is not taken'],
    ['norecovery', 'xfs', 'norecovery is not taken'],
    ['noload', 'ext4', 'noload is not taken'],
    ['barrier=0', 'ext4', 'barrier is not taken'],
    ['nobarrier', 'xfs', 'nobarrier is not taken'],
    ['data=writeback', 'ext4', '"data=writeback"'],
    ['commit=600', 'ext4', '"commit=600"'],
    ['commit=5=6', 'ext4', '"commit=5=6"'],
    ['commit=5', 'xfs', 'commit is an option of ext4, not of xfs'],
    ['logbufs=8', 'ext4', 'logbufs is an option of xfs, not of ext4'],
    ['ro', undefined, ':ro'],
    ['remount', undefined, 'remount is not taken'],
    ['bind', undefined, 'bind is not taken'],
    ['loop=/dev/loop0', undefined, 'loop is not taken'],
    ['constructor', undefined, '"constructor"'],
    ['x-systemd.automount', undefined, 'known: '],
    ['defaults', undefined, 'known: '],
  ] as const)('refuses %j (%s)', (text, type, why) => {
    expect(() => parseMountOptions(text, type)).toThrow(why);
  });

  it('says which it knows of the type', () => {
    expect(() => parseMountOptions('x', 'ext4')).toThrow(/noatime.*commit=\[1-5\], data=ordered\|journal\)$/);
    expect(() => parseMountOptions('x', 'xfs')).toThrow(/logbufs=\[2-8\]/);
  });
});
