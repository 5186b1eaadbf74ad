import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseV2Tree } from '../../../src/store/v2-tree.js';

const fixture = path.join(import.meta.dirname, '..', '..', 'fixtures', 'v2-tree', 'volumes.json');
const dump = readFileSync(fixture, 'utf8');
const values = (JSON.parse(dump) as { node: { nodes: { value: string }[] } }).node.nodes.map(({ value }) => value);

describe('the etcd v2 tree of the old plugin', () => {
  const tree = parseV2Tree(dump);
  const find = (name: string) => tree.volumes.find((each) => each.name === name);

  it('has 33 volumes of every kind, and one record that is none', () => {
    expect(tree.volumes).toHaveLength(33);
    expect(tree.unreadable).toEqual(['record /volumes/34c0ffee-3c5e-4a17-8034-5ec0de000034: it is not JSON']);
  });

  it('is read with what the old plugin left empty, null or in words', () => {
    expect(find('first-release')).toMatchObject({ compression: false, flashCache: false, mountConflictDelay: 30 });
    expect(find('cached')?.flashCache).toBe(true);
    expect(find('released')?.mountedOn).toEqual([]);
    expect(find('mounted')?.mountedOn).toEqual(['7d5f0a10-node-a']);
    expect(find('mounted-somewhere')?.mountedOn).toEqual(['?']);
    expect(find('db')?.group).toEqual({ name: 'prod', remoteName: 'prod.r46750' });
    expect(find('parent-monday')?.snapshotOf).toEqual({ id: find('parent')?.id, name: 'parent' });
    expect(find('legacy')?.formerName).toBe('oracle_7');
  });

  it('may come as the values alone, one in a line, or with other trees around it', () => {
    const lines = parseV2Tree(`${values.join('\n')}\n`);
    expect(lines.volumes).toEqual(tree.volumes);
    expect(lines.unreadable).toEqual(['record in line 6: it is not JSON']);
    const { node } = JSON.parse(dump) as { node: object };
    const other = { key: '/backend', dir: true, nodes: [{ key: '/backend/DEFAULT', value: 'passphrase' }] };
    const lock = { key: '/volumes-lock', dir: true, nodes: [{ key: '/volumes-lock/x', value: '{}' }] };
    const root = JSON.stringify({ action: 'get', node: { dir: true, nodes: [other, node, lock] } });
    expect(parseV2Tree(root)).toEqual(tree);
  });

  it('that is something else is refused as a whole', () => {
    for (const odd of ['', 'no tree', '{', '7', '"text"']) {
      expect(() => parseV2Tree(odd)).toThrow(expect.objectContaining({ code: 'invalid' }));
    }
    expect(parseV2Tree('{"volumes":[]}').unreadable).toHaveLength(1);
    const record = JSON.parse(values[0] ?? '') as object;
    const told = parseV2Tree(JSON.stringify({ ...record, size: 'many', provisioning: 'thick' })).unreadable;
    expect(told.join()).toMatch(/size: .*provisioning: /);
  });
});
