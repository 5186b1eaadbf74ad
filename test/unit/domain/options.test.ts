import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DriverError } from '../../../src/domain/errors.js';
import { OPTION_NAMES, OPTIONS } from '../../../src/domain/option-table.js';
import { RULES } from '../../../src/domain/option-rules.js';
import { parseVolumeOptions } from '../../../src/domain/options.js';
import { specDifferences, type VolumeSpec } from '../../../src/domain/volume.js';

type Given = Record<string, string>;

const problemOf = (options: Given): string => {
  try {
    parseVolumeOptions(options);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DriverError);
    if (thrown instanceof DriverError && thrown.code === 'invalid') return thrown.message;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};

const specOf = (options: Given): VolumeSpec => {
  const request = parseVolumeOptions(options);
  if (request.kind !== 'new') throw new Error(request.kind);
  return request.spec;
};

const SCHEDULE = { scheduleName: 'daily', scheduleFrequency: '10 2 * * *', snapshotPrefix: 'day' };

describe('options of docker volume create', () => {
  it('have the defaults that they always had', () => {
    expect(parseVolumeOptions({})).toEqual({
      kind: 'new',
      spec: {
        sizeGiB: 100,
        provisioning: 'thin',
        compression: false,
        fsType: 'ext4',
        backend: 'DEFAULT',
        mountConflictDelay: 30,
      },
    });
  });

  it('say their defaults as they are', () => {
    const spec = specOf({});
    const { size, provisioning, fsType, backend, mountConflictDelay } = OPTIONS;
    expect([size, provisioning, fsType, backend, mountConflictDelay].map((option) => option.default)).toEqual(
      [spec.sizeGiB, spec.provisioning, spec.fsType, spec.backend, spec.mountConflictDelay].map(String),
    );
  });

  it('are taken in any case where case means nothing', () => {
    const options = {
      size: '16',
      provisioning: 'DEDUP',
      compression: 'TRUE',
      fsType: 'XFS',
      replicationGroup: 'RCG1',
      mountConflictDelay: '0',
      'flash-cache': 'true',
      'qos-name': 'gold_set',
      cpg: 'SSD_r6',
      snapcpg: 'FC_r1',
      fsOwner: '1001:1001',
      fsMode: '0750',
      mountOptions: 'noatime,logbufs=8',
    };
    expect(specOf(options)).toEqual({
      sizeGiB: 16,
      provisioning: 'dedup',
      compression: true,
      fsType: 'xfs',
      backend: 'DEFAULT',
      replicationGroup: 'RCG1',
      mountConflictDelay: 0,
      flashCache: true,
      qosName: 'gold_set',
      cpg: 'SSD_r6',
      snapCpg: 'FC_r1',
      fsOwner: '1001:1001',
      fsMode: '0750',
      mountOptions: 'noatime,logbufs=8',
    });
  });

  it('name every problem at once', () => {
    const text = problemOf({
      sizes: '1',
      size: '0',
      provisioning: 'fat',
      compression: 'yes',
      expHrs: '1',
      cloneOf: 'a',
    });
    for (const part of ['"sizes"', 'option size', '"fat"', '"yes"', 'expHrs and retHrs need', 'a clone has all else'])
      expect(text).toContain(part);
  });

  it.each([
    ['replicationgroup', 'replicationGroup'],
    ['qosName', 'qos-name'],
    ['flashcache', 'flash-cache'],
  ])('suggest the spelling for %s', (typed, meant) => {
    expect(problemOf({ [typed]: 'x' })).toContain(`did you mean ${meant}?`);
  });

  it.each(['mount-volume', 'filePersona', 'snaphotPrefix'])('%s of the old plugin is refused as unknown', (name) => {
    expect(problemOf({ [name]: 'x' })).toContain(`unknown option "${name}"`);
  });

  it.each([
    [{ size: '1.5' }],
    [{ size: '-1' }],
    [{ size: '1e3' }],
    [{ size: '16385' }],
    [{ size: '' }],
    [{ fsType: 'btrfs' }],
    [{ backend: '' }],
    [{ mountConflictDelay: '1m' }],
    [{ fsOwner: 'root:root' }],
    [{ fsOwner: '1001' }],
    [{ fsOwner: '4294967295:0' }],
    [{ fsMode: '0888' }],
    [{ fsMode: '00755' }],
    [{ mountOptions: 'noatime,bind' }],
    [{ mountOptions: 'loop=/dev/loop0' }],
    [{ mountOptions: 'nouuid' }],
    [{ mountOptions: 'noatime, ro' }],
    [{ mountOptions: '' }],
    [{ cpg: 'a'.repeat(32) }],
    [{ cpg: 'a b' }],
    [{ 'qos-name': 'set:x' }],
    [{ 'flash-cache': '1' }],
    [{ virtualCopyOf: '../x' }],
    [{ importVol: '-f' }],
    [{ help: 'me' }],
    [{ virtualCopyOf: 'db', expirationHours: '43801' }],
    [{ virtualCopyOf: 'db', ...SCHEDULE, snapshotPrefix: 'x'.repeat(17) }],
  ])('refuse the value in %j', (options: Given) => {
    expect(problemOf(options)).toContain(`option ${Object.keys(options).at(-1) ?? ''}: `);
  });

  it.each(['5 * * * *', '0 0 1-15 1,6 0-6', '59 23 31 12 6', '5  2 *   * *'])('take the frequency %s', (frequency) => {
    const request = parseVolumeOptions({ virtualCopyOf: 'db', ...SCHEDULE, scheduleFrequency: frequency });
    expect(request).toMatchObject({ schedule: { frequency: frequency.replaceAll(/ +/g, ' ') } });
  });

  it.each(['* * * * *', '60 * * * *', '5 24 * * *', '5 * 0 * *', '5 * * 13 *', '5 * * * 7', '5 * * *', '5 4-2 * * *'])(
    'refuse the frequency %s',
    (frequency) => {
      expect(problemOf({ virtualCopyOf: 'db', ...SCHEDULE, scheduleFrequency: frequency })).toContain(
        'option scheduleFrequency: ',
      );
    },
  );

  it('are parsed or refused, whatever they are', () => {
    const name = fc.oneof(fc.constantFrom(...OPTION_NAMES), fc.string());
    fc.assert(
      fc.property(fc.dictionary(name, fc.string()), (options) => {
        try {
          parseVolumeOptions(options);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(DriverError);
        }
      }),
    );
  });

  it('differences are told by the name of the option', () => {
    const [a, b] = [specOf({ size: '1' }), specOf({ size: '2', replicationGroup: 'g', 'qos-name': 'q' })];
    expect(specDifferences(a, b)).toEqual([
      'size: wanted 1, is 2',
      'replicationGroup: wanted none, is g',
      'qos-name: wanted none, is q',
    ]);
    expect(specDifferences(a, a)).toEqual([]);
  });

  it.each(OPTION_NAMES)('the example of %s is its own and can be read', (name) => {
    const [first, ...rest] = OPTIONS[name].example.split('=');
    expect(first).toBe(name);
    OPTIONS[name].parse(rest.join('=').replaceAll('"', ''));
  });
});

describe('what is asked for', () => {
  it('a snapshot, with its life and a schedule', () => {
    expect(parseVolumeOptions({ virtualCopyOf: 'db' })).toEqual({ kind: 'snapshot', of: 'db', life: {} });
    expect(
      parseVolumeOptions({ virtualCopyOf: 'db', retentionHours: '2', ...SCHEDULE, expHrs: '4', retHrs: '4' }),
    ).toEqual({
      kind: 'snapshot',
      of: 'db',
      life: { retentionHours: 2 },
      schedule: {
        name: 'daily',
        frequency: '10 2 * * *',
        prefix: 'day',
        expirationHours: 4,
        retentionHours: 4,
      },
    });
  });

  it('a clone', () => {
    expect(parseVolumeOptions({ cloneOf: 'db', size: '20', cpg: 'c', mountConflictDelay: '5' })).toEqual({
      kind: 'clone',
      of: 'db',
      sizeGiB: 20,
      cpg: 'c',
      mountConflictDelay: 5,
    });
  });

  it('an import', () => {
    expect(parseVolumeOptions({ importVol: 'old_data', backend: 'gold' })).toEqual({
      kind: 'import',
      arrayVolume: 'old_data',
      backend: 'gold',
      mountConflictDelay: 30,
    });
  });

  it('help', () => {
    expect(parseVolumeOptions({ help: '' })).toEqual({ kind: 'help', topic: 'options' });
    expect(parseVolumeOptions({ help: 'backends' })).toEqual({ kind: 'help', topic: 'backends' });
  });
});

/** For each rule what breaks it, and the options that it names. */
const BROKEN: [Given, string, string][] = [
  [{ virtualCopyOf: 'a', cloneOf: 'b' }, 'exclude each other', 'virtualCopyOf, cloneOf'],
  [{ importVol: 'a', help: '' }, 'exclude each other', 'importVol, help'],
  [{ help: '', size: '1' }, 'help stands alone', 'size'],
  [{ virtualCopyOf: 'a', size: '1' }, 'a snapshot has all else', 'size'],
  [{ virtualCopyOf: 'a', replicationGroup: 'g' }, 'a snapshot has all else', 'replicationGroup'],
  [{ cloneOf: 'a', fsType: 'xfs' }, 'a clone has all else', 'fsType'],
  [{ importVol: 'a', fsMode: '0700' }, 'taken as it is', 'fsMode'],
  [{ expirationHours: '1' }, 'need virtualCopyOf', 'expirationHours'],
  [{ cloneOf: 'a', retentionHours: '1' }, 'need virtualCopyOf', 'retentionHours'],
  [SCHEDULE, 'need virtualCopyOf', 'scheduleName, scheduleFrequency, snapshotPrefix'],
  [{ virtualCopyOf: 'a', scheduleName: 's' }, 'need each other', 'scheduleName'],
  [{ virtualCopyOf: 'a', expHrs: '1' }, 'need each other', 'expHrs'],
  [{ virtualCopyOf: 'a', ...SCHEDULE, expirationHours: '1' }, 'must not go by itself', 'scheduleName, expirationHours'],
  [
    { virtualCopyOf: 'a', expirationHours: '9', retentionHours: '10' },
    'retentionHours must not be more',
    'retentionHours, expirationHours',
  ],
  [{ virtualCopyOf: 'a', ...SCHEDULE, expHrs: '1', retHrs: '2' }, 'retHrs must not be more', 'retHrs, expHrs'],
  [{ compression: 'true', provisioning: 'full' }, 'fully provisioned', 'compression, provisioning'],
  [{ fsType: 'xfs', mountOptions: 'noatime,commit=30' }, 'has its own', 'mountOptions, fsType'],
  [{ compression: 'true', size: '15' }, 'at least 16 GiB', 'compression, size'],
];

describe('rules about options', () => {
  it.each(BROKEN)('%j is refused: %s', (options, why, names) => {
    const text = problemOf(options);
    expect(text).toContain(why);
    expect(text).toContain(`(given: ${names})`);
  });

  it('each of them is broken above', () => {
    const seen = new Set(BROKEN.flatMap(([options]) => RULES.filter(({ text }) => problemOf(options).includes(text))));
    expect(RULES.filter((rule) => !seen.has(rule))).toEqual([]);
  });

  it('a partner whose value cannot be read is not called missing', () => {
    expect(problemOf({ virtualCopyOf: 'a', ...SCHEDULE, scheduleFrequency: 'daily' })).not.toContain('need');
  });
});
