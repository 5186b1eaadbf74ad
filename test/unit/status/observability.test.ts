import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Metrics } from '../../../src/status/metrics.js';
import { groupStatus, statusReport } from '../../fakes/status-report.js';

const folder = path.join(import.meta.dirname, '../../../docs/observability');
const alerts = readFileSync(path.join(folder, 'alerts.yml'), 'utf8');
const dashboard = readFileSync(path.join(folder, 'dashboard.json'), 'utf8');
const readme = readFileSync(path.join(folder, 'README.md'), 'utf8');

const report = statusReport({
  arrays: [{ backend: 'B', side: 'primary', label: 'a', reachable: true, sessions: 1 }],
  groups: [groupStatus('primary', { lastSyncAgeSeconds: 5 })],
  volumes: [{ name: 'v', sizeGiB: 1, backend: 'B', state: 'ready' }],
});

/** Every series that the daemon has: metric → labels. */
async function exposed(): Promise<Map<string, Set<string>>> {
  const metrics = new Metrics('1');
  metrics.request({ verb: 'Mount', outcome: 'ok', ms: 1 });
  metrics.arrayCall({ array: 'B/primary', status: 200, ms: 1 });
  metrics.lock('held', 1);
  const text = await metrics.text({ report, ageSeconds: 0, problem: undefined });
  const series = text.split('\n').flatMap((line) => {
    const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    return name === undefined ? [] : [{ name, labels: [...labels.matchAll(/(\w+)="/g)].map((each) => each[1] ?? '') }];
  });
  const found = new Map<string, Set<string>>();
  for (const { name, labels } of series) found.set(name, new Set([...(found.get(name) ?? []), ...labels]));
  return found;
}

/** What of an expression the daemon does not have. */
function unknownIn(expression: string, known: Map<string, Set<string>>): string[] {
  const own = ['job', 'instance'];
  return [...expression.matchAll(/\b(hpe_\w+)(?:\{([^}]*)\})?/g)].flatMap(([, name = '', selector = '']) => {
    const labels = [...selector.matchAll(/(\w+)\s*[=!]~?=?"?/g)].map((each) => each[1] ?? '');
    const there = known.get(name);
    if (there === undefined) return [name];
    return labels.filter((label) => !there.has(label) && !own.includes(label)).map((label) => `${name}{${label}}`);
  });
}

const groupings = (expression: string): string[] =>
  [...expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '));

describe('alert rules and dashboard', () => {
  const rules = alerts.split(/\n\s+- alert: /).slice(1);
  const ruleExpressions = rules.map((each) => /expr: (.*)/.exec(each)?.[1] ?? '');
  const panelExpressions = [...dashboard.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replaceAll('\\"', '"'),
  );

  it('ask only for what the daemon tells', async () => {
    const known = await exposed();
    expect(ruleExpressions.length).toBeGreaterThan(10);
    expect(panelExpressions.length).toBeGreaterThan(12);
    expect([...ruleExpressions, ...panelExpressions].flatMap((each) => unknownIn(each, known))).toEqual([]);
    expect(unknownIn('hpe_group_protectd{backend="x"} + hpe_groups{node="x"}', known)).toEqual([
      'hpe_group_protectd',
      'hpe_groups{node}',
    ]);
    const labels = new Set([...known.values()].flatMap((each) => [...each]).concat('instance'));
    expect([...ruleExpressions, ...panelExpressions].flatMap(groupings).filter((each) => !labels.has(each))).toEqual(
      [],
    );
  });

  it('each rule has a severity, a summary and what to do next; no two have one name', () => {
    for (const rule of rules) expect(rule).toMatch(/severity: (critical|warning)[^]*summary: '[^]*next: '/);
    const names = rules.map((each) => each.split('\n')[0]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('are JSON that Grafana can import, with panels of their own numbers', () => {
    const { panels, uid } = JSON.parse(dashboard) as { panels: { id: number }[]; uid: string };
    expect(uid).toBe('hpe-volume-plugin');
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it('the README explains every metric of ours', async () => {
    const names = [...(await exposed()).keys()]
      .filter((name) => name.startsWith('hpe_'))
      .map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
    expect([...new Set(names)].filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
