import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { chooseCommonPort } from '../../src/simulator/free-port.js';
import { Metrics } from '../../src/status/metrics.js';
import { startStatusServer } from '../../src/status/server.js';
import { Snapshot } from '../../src/status/snapshot.js';
import { startNode, type Node } from '../harness.js';
import { operator } from '../pair-client.js';
import { statusReport } from '../fakes/status-report.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** What Chromium shows of that page after some seconds of its own time, and what it complains of. */
async function look(url: string, seconds = 1): Promise<{ text: string; complaints: string[] }> {
  const profile = await mkdtemp(path.join(tmpdir(), 'hpe-chromium-'));
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--enable-logging=stderr',
  ];
  const own = [`--user-data-dir=${profile}`, `--virtual-time-budget=${seconds * 1000}`, '--dump-dom', url];
  try {
    const { stdout, stderr } = await promisify(execFile)('chromium', [...flags, ...own], { timeout: 50_000 });
    const complaints = stderr.split('\n').filter((line) => line.includes('CONSOLE'));
    const text = stdout.replaceAll(/<script[^]*?<\/script>|<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ');
    return { text, complaints };
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

describe('the page, in a browser', () => {
  let node: Node;
  let url: string;
  const get = async (at: string): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${url}${at}`);
    return { status: answer.status, text: await answer.text() };
  };
  /** Asks as a page that is open does, until it has learnt that. */
  const knows = async (words: string): Promise<void> => {
    const until = performance.now() + 40_000;
    for (let text = ''; !text.includes(words); text = (await get('/fragment')).text) {
      if (performance.now() > until) throw new Error(`the page never says ${words}: ${text}`);
      await pause(250);
    }
  };

  beforeAll(async () => {
    const port = await chooseCommonPort(['127.0.0.1', '127.0.0.2']);
    url = `http://127.0.0.1:${port}`;
    node = await startNode({ more: [`status_listen = 127.0.0.1:${port}`] });
    expect(await node.docker.create('web-data', { size: '1', replicationGroup: 'web' })).toBe('');
    await node.docker.mount('web-data', 'm1');
  });

  afterAll(async () => {
    await node.docker.unmount('web-data', 'm1');
    await node.close();
  });

  it('shows a failover before, while and after it happens, and needs nothing from elsewhere', async () => {
    const [a, b] = node.pair.arrays;
    await knows('primary → secondary');
    const before = await look(`${url}/`);
    expect(before.complaints).toEqual([]);
    expect(before.text).toContain('Every array answers, every group is protected.');
    expect(before.text).toMatch(/web-data.* from the primary array/);
    expect((await get('/readyz')).status).toBe(200);

    await node.control.power(a.name, false);
    await knows('no array is proven');
    const during = await look(`${url}/`);
    expect(during.text).toContain('hpe-volume-plugin failover plan web --backend DEFAULT');
    expect(during.text).toMatch(new RegExp(`${new URL(a.apiUrl).origin} .*does not answer`));
    expect((await get('/metrics')).text).toContain('hpe_group_protected{backend="DEFAULT",group="web"} 0');

    await operator(b, `setrcopygroup failover -f web.r${a.systemId}`);
    await knows('was failed over');
    const after = await look(`${url}/`);
    expect(after.text).toContain('secondary only');
    expect(after.text).toContain('Volume web-data is writing to the stale copy');
    expect(after.text).toContain('hpe-volume-plugin failback plan web --backend DEFAULT');
    expect((await get('/metrics')).text).toContain('hpe_group_failed_over{backend="DEFAULT",group="web"} 1');
    expect((await get('/status.json')).text).toContain('"active":"secondary"');

    await node.control.power(a.name, true);
    await operator(b, `setrcopygroup recover -f web.r${a.systemId}`);
    await operator(b, `setrcopygroup restore -f web.r${a.systemId}`);
    await knows('every group is protected');
  }, 180_000);

  it('rule 40: looking changes no array, and who looks gets reads only', async () => {
    await node.control.clearLog();
    for (const at of ['/', '/fragment', '/status.json', '/metrics', '/readyz', '/healthz']) {
      expect((await get(at)).status).toBe(200);
    }
    const changes = (await node.control.log()).filter(
      ({ method, path: at }) => method !== 'GET' && at?.includes('/credentials') !== true,
    );
    expect(changes).toEqual([]);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect((await fetch(`${url}/`, { method, body: method === 'DELETE' ? null : 'x' })).status).toBe(405);
    }
    expect((await get('/../etc/passwd')).status).toBe(404);
  });
});

describe('the page, in a browser, by itself', () => {
  it('follows the status without a reload, and shows markup in names as text', async () => {
    let asked = 0;
    const snapshot = new Snapshot(async () => Promise.resolve(statusReport()), silent);
    snapshot.look = async () => {
      asked += 1;
      const name = asked < 2 ? 'first' : '<img src=x onerror="document.title=1">';
      return Promise.resolve({ report: statusReport({ node: name }), ageSeconds: 0, problem: undefined });
    };
    const at = { host: '127.0.0.1', port: 0 };
    const parts = { at, snapshot, metrics: new Metrics('1'), probe: async () => Promise.resolve(), logger: silent };
    const server = await startStatusServer(parts);
    try {
      const { text, complaints } = await look(`http://127.0.0.1:${server.port}/`, 12);
      expect(asked).toBeGreaterThan(1);
      expect(complaints).toEqual([]);
      expect(text).toContain('&lt;img src=x onerror');
      expect(text).not.toContain('on first');
    } finally {
      await server.close();
    }
  });
});
