import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { formatBackup, parseBackup, type Backup } from '../../../src/store/backup-file.js';
import { aGroup, anAttachment, anOperation, anOverride, aVolume } from '../../contract/store-records.js';

const backup: Backup = {
  madeAt: '2026-11-28T14:00:00.000Z',
  madeBy: 'docker1',
  store: 'etcd',
  root: '6e1a1f1a-0000-4000-8000-000000000000',
  records: [
    { put: 'volume', key: 'db', value: aVolume('db') },
    { put: 'volume', key: '7', value: aVolume('7') },
    { put: 'group', key: 'DEFAULT/g', value: aGroup('DEFAULT', 'g') },
    { put: 'attachment', key: 'db', value: anAttachment('db') },
    { put: 'operation', key: 'db', value: anOperation('db') },
    { put: 'late', key: 'op-1', value: anOperation('db') },
    { put: 'override', key: 'db', value: anOverride('db') },
    { put: 'pin', key: 'wsapi:a', value: { peer: 'wsapi:a', fingerprint: 'ab' } },
  ],
};

describe('a backup of the metadata', () => {
  const text = formatBackup(backup);

  it('is one JSON document with every kind of record, and is read back', () => {
    expect(parseBackup(text)).toEqual(backup);
    expect(parseBackup(JSON.stringify(JSON.parse(text)))).toEqual(backup);
    expect(JSON.parse(text)).toMatchObject({
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      content: { records: expect.arrayContaining([expect.objectContaining({ kind: 'volume', schema: 1 })]) },
    });
  });

  it.each([
    ['cut off', text.slice(0, -20), 'not JSON'],
    ['empty', '', 'not JSON'],
    ['changed in one digit', text.replace('"generation": 7', '"generation": 8'), 'SHA-256'],
    ['a record less', text.replace(/\{\s+"kind": "group"[^]*?\n {3}\},/, ''), 'SHA-256'],
    ['another document', '{"volumes":[]}', 'sha256'],
  ])('that is %s is refused as a whole', (_what, other, why) => {
    expect(other).not.toBe(text);
    expect(() => parseBackup(other)).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringContaining(why) }),
    );
  });

  it('of a later release is refused, naming the schema', () => {
    const { content } = JSON.parse(text) as { content: { records: { schema: number }[] } };
    content.records[0]!.schema = 2;
    const sha256 = createHash('sha256').update(JSON.stringify(content)).digest('hex');
    expect(() => parseBackup(JSON.stringify({ sha256, content }))).toThrow(
      expect.objectContaining({ code: 'unavailable', message: expect.stringContaining('has schema 2') }),
    );
  });
});
