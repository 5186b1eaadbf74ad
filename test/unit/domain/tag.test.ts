import { describe, expect, it } from '@jest/globals';
import { clusterOf, isTaggedAs, ownershipTag, parseTag, stampTag, type Tagged } from '../../../src/domain/tag.js';
import { aVolume } from '../../contract/store-records.js';

const ID = 'd03338a9-9115-48a3-8dfc-35cdfcdc15a7';
/** What a release before rebuild wrote, and what the old plugin writes. */
const SHORT = `{"volume_id":"${ID}","name":"${ID}","type":"Docker","display_name":"db"}`;
const PYTHON = `{"volume_id": "${ID}", "name": "${ID}", "type": "Docker", "display_name": "db"}`;

const volume: Tagged = {
  ...aVolume('db', { id: ID, createdAt: '2026-11-28T14:00:00.000Z' }),
  spec: { ...aVolume('db').spec, fsType: 'xfs', fsOwner: '1000:1000', mountOptions: 'noatime' },
  origin: { kind: 'import', formerName: 'oracle.7' },
};

describe('what stands in the comment of our volumes', () => {
  it('holds what only the metadata know, and is read back', () => {
    const tag = ownershipTag(volume);
    expect(tag.startsWith(SHORT.slice(0, -1))).toBe(true);
    expect(parseTag(tag)).toEqual({
      id: ID,
      name: 'db',
      spec: {
        backend: 'DEFAULT',
        fsType: 'xfs',
        mountConflictDelay: 30,
        fsOwner: '1000:1000',
        mountOptions: 'noatime',
      },
      origin: { kind: 'import', formerName: 'oracle.7' },
      createdAt: '2026-11-28T14:00:00.000Z',
      isWhole: true,
    });
  });

  it('holds the schedule of a snapshot, as long as there is room', () => {
    const schedule = { name: 'daily', frequency: '0 2 * * *', prefix: 'night', expirationHours: 48 };
    const snapshot = (name: string): Tagged => ({
      ...aVolume(name, { id: ID }),
      origin: {
        kind: 'snapshot',
        of: 'db',
        ofId: ID,
        side: 'primary',
        retentionHours: 7,
        schedule: { ...schedule, of: 'dcv-1' },
      },
    });
    expect(parseTag(ownershipTag(snapshot('s')))).toMatchObject({
      isWhole: true,
      origin: { ofId: ID, retentionHours: 7, schedule },
    });
    const long = parseTag(ownershipTag(snapshot('s'.repeat(200))));
    expect(long).toMatchObject({ isWhole: false, origin: { kind: 'snapshot', ofId: ID } });
    expect(long?.origin).not.toHaveProperty('schedule');
  });

  it('gets the mark of its cluster, for which there is always room, and stays the same tag', () => {
    const cluster = clusterOf('6e1a1f1a-0000-4000-8000-000000000000');
    for (const name of ['db', 'n'.repeat(200)]) {
      const tag = ownershipTag({ ...volume, name });
      const stamped = stampTag(tag, cluster);
      expect(stamped.length).toBeLessThanOrEqual(511);
      expect(parseTag(stamped)).toEqual({ ...parseTag(tag), cluster: '6e1a1f1a' });
      expect(isTaggedAs(stamped, tag)).toBe(true);
    }
    expect(stampTag(SHORT, undefined)).toBe(SHORT);
    expect(stampTag('our tag', cluster)).toBe('our tag');
  });

  it('fits the array: what has no room is left out as a whole, and said to be', () => {
    const name = 'n'.repeat(200);
    const tag = ownershipTag({ ...volume, name, spec: { ...aVolume(name).spec, mountOptions: 'o'.repeat(90) } });
    expect(tag.length).toBeLessThanOrEqual(511);
    expect(parseTag(tag)).toMatchObject({ name, isWhole: false, spec: { backend: 'DEFAULT', fsType: 'ext4' } });
    expect(tag).not.toContain('ooo');
    const odd = ownershipTag({ ...volume, spec: { ...aVolume('db').spec, mountOptions: 'context=ü' } });
    expect(odd).toMatch(/^[\x20-\x7e]*$/);
    expect(parseTag(odd)?.isWhole).toBe(false);
  });

  it('rule 36: a volume that an older release or the old plugin tagged stays ours, and no other is', () => {
    const tag = ownershipTag(volume);
    expect(parseTag(SHORT)).toEqual({ id: ID, name: 'db', isWhole: false });
    for (const ours of [SHORT, PYTHON, tag]) {
      expect(isTaggedAs(ours, tag)).toBe(true);
      expect(isTaggedAs(tag, ours)).toBe(true);
    }
    const others = [
      '',
      'a note',
      '[1]',
      'null',
      SHORT.replace('"db"', '"db-1"'),
      SHORT.replace('"db"', '"d"'),
      SHORT.replaceAll(ID, `${ID}0`),
      SHORT.replace(ID, 'another'),
      SHORT.replace('Docker', 'docker'),
      SHORT.replace('"db"', 'null'),
      `${tag} `.trim().slice(1),
    ];
    for (const other of others) expect([other, isTaggedAs(other, tag)]).toEqual([other, false]);
  });

  it.each([
    ['fsType', '"btrfs"'],
    ['mountConflictDelay', '-1'],
    ['flashCache', '"yes"'],
    ['mountOptions', '"noatime,suid"'],
    ['mountOptions', '"bind"'],
    ['fsOwner', '"root"'],
    ['qosName', '"a set"'],
    ['backend', '7'],
    ['other', '1'],
  ])('does not believe %s %s, and says that something is missing', (member, value) => {
    const found = parseTag(`${SHORT.slice(0, -1)},"spec":{"${member}":${value}}}`);
    expect(found).toEqual({ id: ID, name: 'db', spec: {}, isWhole: false });
  });
});
