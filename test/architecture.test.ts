import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

/** Who may import what below src; the same table stands in src/README.md. `types` = `import type` only. */
const may: Record<string, { folders: string[]; types?: string[]; packages: string[] }> = {
  domain: { folders: [], packages: [] },
  saga: { folders: ['domain'], packages: [] },
  contracts: { folders: [], types: ['domain', 'saga'], packages: [] },
  backend: { folders: ['domain'], types: ['contracts'], packages: [] },
  driver: { folders: ['backend', 'saga', 'domain'], types: ['contracts'], packages: [] },
  plugin: { folders: ['domain'], types: ['driver', 'contracts'], packages: ['express', 'zod'] },
  array: { folders: ['domain'], types: ['contracts'], packages: ['axios', 'ssh2', 'zod'] },
  store: {
    folders: ['domain'],
    types: ['contracts', 'saga'],
    packages: ['etcd3', 'cockatiel', 'classic-level', 'zod'],
  },
  host: { folders: ['domain'], types: ['contracts'], packages: ['zod'] },
  config: { folders: ['domain'], packages: ['zod'] },
  doctor: { folders: ['backend', 'domain'], types: ['contracts', 'config'], packages: [] },
  status: { folders: ['domain'], types: ['driver', 'contracts'], packages: ['prom-client'] },
  simulator: { folders: [], packages: ['express', 'selfsigned', 'ssh2', 'zod'] },
};
/** Files that build everything may import everything of ours. */
const builders = ['main.ts', 'commands'];
const childProcess = ['host/run.ts', 'simulator'];
const size = { file: 300 };

interface Import {
  from: string;
  typeOnly: boolean;
}
interface Source {
  name: string;
  lines: number;
  imports: Import[];
}

const root = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..', 'src');
const sources: Source[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => {
    const text = readFileSync(path.join(root, name), 'utf8');
    const atStart = /^(?:import|export)\s(type\s)?[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm;
    const imports = [...text.matchAll(atStart)].map((match) => ({
      from: match[2] ?? match[3] ?? '',
      typeOnly: match[1] !== undefined,
    }));
    for (const [, from = ''] of text.matchAll(/\bimport\('([^']+)'\)/g)) imports.push({ from, typeOnly: false });
    return { name, lines: text.split('\n').length - 1, imports };
  });

const folderOf = (name: string): string => name.split(path.sep)[0] ?? '';

function forbidden(source: Source): string[] {
  const folder = folderOf(source.name);
  if (builders.includes(folder)) return [];
  const rule = may[folder] ?? { folders: ['domain'], types: ['contracts'], packages: ['winston'] };
  return source.imports.flatMap(({ from, typeOnly }) => {
    if (from.startsWith('node:')) {
      return from === 'node:child_process' && !childProcess.some((each) => source.name.startsWith(each)) ? [from] : [];
    }
    if (!from.startsWith('.')) return rule.packages.includes(from) ? [] : [from];
    const target = folderOf(path.normalize(path.join(path.dirname(source.name), from)));
    const allowed =
      target === folder || rule.folders.includes(target) || (typeOnly && (rule.types ?? []).includes(target));
    return allowed ? [] : [from];
  });
}

describe('architecture', () => {
  it('finds the sources', () => {
    expect(sources.length).toBeGreaterThan(40);
    expect(sources.flatMap((source) => source.imports).length).toBeGreaterThan(100);
  });

  it.each(sources.map((source) => [source.name, source] as const))(
    '%s imports only what its folder may',
    (_name, source) => {
      expect(forbidden(source)).toEqual([]);
    },
  );

  it(`no file is longer than ${size.file} lines`, () => {
    expect(
      sources.filter((source) => source.lines > size.file).map((source) => `${source.name}: ${source.lines}`),
    ).toEqual([]);
  });

  it('rule 39: no signal is made by AbortSignal.any, whose time limits a garbage collection can end', () => {
    const anyOf = sources.filter(
      ({ name }) =>
        name !== path.join('domain', 'signals.ts') &&
        readFileSync(path.join(root, name), 'utf8').includes('AbortSignal.any'),
    );
    expect(anyOf.map(({ name }) => name)).toEqual([]);
  });

  it('no listener leaves a signal by the option `signal`, which a garbage collection can undo', () => {
    const byOption = sources.filter(({ name }) =>
      /addEventListener\([^;]*\bsignal\b\s*[:,}]/.test(readFileSync(path.join(root, name), 'utf8')),
    );
    expect(byOption.map(({ name }) => name)).toEqual([]);
  });

  it('rule 6: nothing that the daemon is made of can reach the commands that move a group', () => {
    const byName = new Map(sources.map((source) => [source.name, source]));
    const reached = new Set<string>();
    const follow = (name: string): void => {
      if (reached.has(name)) return;
      reached.add(name);
      for (const { from } of byName.get(name)?.imports.filter((each) => each.from.startsWith('.')) ?? [])
        follow(path.normalize(path.join(path.dirname(name), from)).replace(/\.js$/, '.ts'));
    };
    follow('commands/serve.ts');
    expect(reached.size).toBeGreaterThan(100);
    expect([...reached].filter((name) => /array-deeds|guide-run/.test(name))).toEqual([]);
    const moves = sources.filter(({ name }) => readFileSync(path.join(root, name), 'utf8').includes('action: 7'));
    expect(moves.map(({ name }) => name)).toEqual(['commands/array-deeds.ts']);
  });

  it('rule 6: the array client has no code for a role change', () => {
    const texts = sources
      .filter((source) => /^(array|driver|backend)\//.test(source.name))
      .map((source) => readFileSync(path.join(root, source.name), 'utf8'));
    expect(texts.filter((text) => /action:\s*(6|7|8|9|10|11)\b/.test(text))).toEqual([]);
  });
});
