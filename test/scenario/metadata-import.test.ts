import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { startEtcd, type Etcd } from '../etcd.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf } from '../pair-client.js';
import { arrayOutline } from '../simulator-state.js';
import { arrayChanges, type } from './metadata-commands.js';
import { furnish, TREE } from './old-plugin.js';

const IMPORTED = [
  ['web', 'db', 'db-log', 'queue', 'full', 'dedup', 'small', 'cached', 'gold', 'other-cpg', 'owned', 'legacy'],
  ['clone-of-web', 'parent', 'parent-monday', 'first-release', 'released'],
].flat();

/** Volume → why it is not imported. */
const LEFT: Record<string, RegExp> = {
  mounted: /mounted on node 7d5f0a10-node-a; stop the containers/,
  'mounted-somewhere': /mounted on a node that it does not name/,
  robbed: /mounted on node 7d5f0a10-node-b/,
  lost: /the primary array has no volume dcv-/,
  larger: /its size is 2 GiB, its record says 3/,
  moved: /CPG is cpg-a, its record says cpg-a-snap/,
  converted: /provisioning is thin, its record says full/,
  foreign: /somebody else's/,
  exported: /exports it to old-host; .*removevlun/,
  silver: /hpe.conf has no backend silver/,
  twin: /another record of that name/,
  misnamed: /oracle_8, which is not the name that goes with its id/,
  stray: /it is not replicated, and backend DEFAULT is/,
  'wrong-group': /does not show it in group qa/,
  'bad name/x': /cannot be used/,
};

describe('the metadata of the old plugin', () => {
  let etcd: Etcd;
  let node: Node;

  beforeAll(async () => {
    etcd = await startEtcd();
    node = await startNode({ etcd: etcd.host });
    await furnish(node);
  });
  afterAll(async () => {
    await node.close();
    await etcd.stop();
    expect(await hostLeftovers(node.dir)).toEqual([]);
  });

  const importTree = async (...more: string[]): Promise<string[]> =>
    type(node, 'import-metadata', '--from-v2', TREE, ...more);
  const stored = async (): Promise<string> => etcd.ctl('get', '--prefix', '/hpe-volume-plugin/v1/volume/');

  it('--dry-run says what it would do, and changes nothing', async () => {
    const before = await arrayOutline(node.control);
    await node.control.clearLog();
    const lines = await importTree('--dry-run');
    expect(lines.filter((line) => line.startsWith('would import: volume'))).toHaveLength(IMPORTED.length);
    expect(lines.find((line) => line.startsWith('would import: volume db '))).toMatch(
      /^would import: volume db \(dcv-\S+, WWN 60002ac\w+\), 1 GiB, CPG cpg-a, backend DEFAULT, group prod$/,
    );
    expect(await arrayChanges(node)).toEqual([]);
    expect(await arrayOutline(node.control)).toEqual(before);
    expect(await stored()).toBe('');
  });

  it('a change that an array refuses leaves that volume out, and repeating the command goes on from there', async () => {
    const [a] = node.pair.arrays;
    await node.control.fault({
      array: a.name,
      match: { method: 'PUT', nth: 1 },
      effect: 'error',
      status: 400,
      code: 12,
    });
    await node.control.fault({ array: a.name, match: { method: 'PUT', nth: 2 }, effect: 'lost-reply' });
    await node.control.fault({
      array: arrayOf(node.pair, 'secondary').name,
      match: { method: 'PUT' },
      effect: 'ok-not-done',
    });
    const lines = await importTree();
    await node.control.clearFaults();
    const refused = lines.filter((line) => line.includes('repeat this, it goes on from there'));
    expect(refused.map((line) => /^not imported: volume (\S+):/.exec(line)?.[1])).toEqual(['web', 'db']);
    expect((await node.records('volume')).map((each) => each.name)).not.toContain('db');
  });

  it('each volume is ours when its array shows it as its record says; the others are listed with the reason', async () => {
    const lines = await importTree();
    const left = lines.filter((line) => line.startsWith('not imported: volume'));
    for (const [name, why] of Object.entries(LEFT)) {
      const said = left.filter((line) => line.startsWith(`not imported: volume ${name} (`));
      expect([name, said.length]).toEqual([name, name === 'twin' ? 2 : 1]);
      expect(said[0]).toMatch(why);
    }
    expect(left).toHaveLength(Object.keys(LEFT).length + 1);
    expect(lines.join('\n')).toMatch(/not imported: record \/volumes\/34c0ffee\S+: it is not JSON/);
    expect(lines.join('\n')).toMatch(/note: snapshot parent-old .*importVol/);
    expect(lines.join('\n')).toMatch(/note: volume parent has a schedule/);
    expect((await node.records('volume')).map((each) => each.name).toSorted()).toEqual(IMPORTED.toSorted());
    expect((await importTree()).at(-1)).toBe(
      `imported: 0 volumes; ${IMPORTED.length} are known already; ${left.length + 1} not imported`,
    );
  });

  it('rule 18: the records say what the old ones said, and nothing of them may be formatted', async () => {
    const volumes = new Map((await node.records('volume')).map((each) => [each.name, each]));
    expect([...volumes.values()].every((each) => each.everMounted && each.filesystem.state === 'inherited')).toBe(true);
    expect(volumes.get('db')).toMatchObject({
      id: '02c0ffee-3c5e-4a17-8002-5ec0de000002',
      spec: { backend: 'DEFAULT', replicationGroup: 'prod', sizeGiB: 1, mountConflictDelay: 30 },
      wwn: { primary: expect.stringMatching(/^60002ac/), secondary: expect.stringMatching(/^60002ac/) },
    });
    expect(volumes.get('db')).not.toHaveProperty('origin');
    expect(volumes.get('db-log')?.spec.mountConflictDelay).toBe(120);
    expect(volumes.get('dedup')?.spec.provisioning).toBe('dedup');
    expect(volumes.get('small')?.spec).toMatchObject({ compression: true, sizeGiB: 16 });
    expect(volumes.get('cached')?.spec.flashCache).toBe(true);
    expect(volumes.get('gold')?.spec.qosName).toBe('gold_set');
    expect(volumes.get('other-cpg')?.spec.cpg).toBe('cpg-a-snap');
    expect(volumes.get('owned')?.spec).toMatchObject({ fsOwner: '1001:1002', fsMode: '0755' });
    expect(volumes.get('legacy')?.origin).toEqual({ kind: 'import', formerName: 'oracle_7' });
    expect(volumes.get('parent-monday')).toMatchObject({
      arrayName: expect.stringMatching(/^dcs-/),
      origin: { kind: 'snapshot', of: 'parent', ofId: '14c0ffee-3c5e-4a17-8014-5ec0de000014', side: 'primary' },
    });
    expect((await node.records('group')).map(({ name, lastActive }) => [name, lastActive])).toEqual([
      ['prod', 'primary'],
      ['stage', 'primary'],
    ]);
  });

  it('the same volumes mount, with the same data', async () => {
    for (const name of ['web', 'db']) {
      expect(await readFile(path.join(await node.docker.mount(name), 'file'), 'utf8')).toBe(`data of ${name}`);
      expect(await node.docker.unmount(name)).toBe('');
    }
    for (const name of ['db', 'legacy', 'parent-monday'])
      expect([name, await node.docker.remove(name)]).toEqual([name, '']);
  });

  it('comes from a living etcd, too', async () => {
    const server: Server = createServer((request, answer) => {
      const isAsked = request.url === '/v2/keys/volumes?recursive=true';
      void readFile(TREE).then((tree) => answer.writeHead(isAsked ? 200 : 404).end(isAsked ? tree : 'no such key'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const lines = await type(node, 'import-metadata', '--from-v2', url, '--dry-run');
      expect(lines.join('\n')).toContain(`would import: 0 volumes; ${IMPORTED.length - 3} are known already`);
      const wrong = type(node, 'import-metadata', '--from-v2', `${url}/v2/keys/other`);
      await expect(wrong).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('HTTP 404') });
    } finally {
      server.close();
    }
    await expect(type(node, 'import-metadata')).rejects.toThrow('needs --from-v2');
    const odd = path.join(node.dir, 'odd');
    await writeFile(odd, 'no tree');
    await expect(type(node, 'import-metadata', '--from-v2', odd)).rejects.toMatchObject({ code: 'invalid' });
  });
});
