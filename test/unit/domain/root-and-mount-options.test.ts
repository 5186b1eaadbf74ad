import { describe, expect, it } from '@jest/globals';
import { misfits, parseMountOptions } from '../../../src/domain/mount-options.js';
import { rootDirectoryOf } from '../../../src/domain/root-directory.js';

describe('fsOwner and fsMode', () => {
  it('asks for nothing when neither is there', () => {
    expect(rootDirectoryOf({})).toBeUndefined();
    expect(rootDirectoryOf({ fsOwner: '1:2' })).toEqual({ owner: '1:2' });
    expect(rootDirectoryOf({ fsOwner: '1:2', fsMode: '0700' })).toEqual({ owner: '1:2', mode: '0700' });
  });
});

describe('mountOptions', () => {
  it.each([
    'noatime',
    'noatime,nodev,nosuid,noexec,discard',
    'commit=1,data=journal',
    'logbufs=8,logbsize=256k',
    'logbufs=8,commit=60',
  ])('takes %s', (text) => {
    expect(parseMountOptions(text)).toBe(text);
  });

  it.each([
    ['', '""'],
    ['noatime,', '""'],
    ['noatime, nodev', '" nodev"'],
    ['noatime nodev', 'known: '],
    ['noatime=1', '"noatime=1"'],
    ['noatime,noatime', 'noatime is there twice'],
    ['relatime,noatime', 'noatime and relatime contradict'],
    ['discard,nodiscard', 'discard and nodiscard contradict'],
    ['errors=continue', 'errors is not taken'],
    ['errors=panic', 'errors is not taken'],
    ['nouuid', 'nouuid is not taken'],
    ['norecovery', 'norecovery is not taken'],
    ['noload', 'noload is not taken'],
    ['barrier=0', 'barrier is not taken'],
    ['nobarrier', 'nobarrier is not taken'],
    ['data=writeback', '"data=writeback"'],
    ['commit=600', '"commit=600"'],
    ['commit=5=6', '"commit=5=6"'],
    ['ro', ':ro'],
    ['remount', 'remount is not taken'],
    ['bind', 'bind is not taken'],
    ['loop=/dev/loop0', 'loop is not taken'],
    ['constructor', '"constructor"'],
    ['x-systemd.automount', 'known: '],
    ['defaults', 'known: '],
  ] as const)('refuses %j', (text, why) => {
    expect(() => parseMountOptions(text)).toThrow(why);
  });

  it('says which it knows, and which are of another file system', () => {
    expect(() => parseMountOptions('x')).toThrow(
      /noatime.*commit= \(ext4: SECONDS up to 60\), .*logbufs= \(xfs: 2 to 8\)/,
    );
    expect(misfits('noatime,commit=5,logbufs=8', 'ext4')).toEqual(['logbufs=8']);
    expect(misfits('noatime,commit=5,logbufs=8', 'xfs')).toEqual(['commit=5']);
  });
});
