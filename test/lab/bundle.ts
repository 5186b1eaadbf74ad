import { cp } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** CommonJS packages ask for these. */
const COMMONJS = [
  "import { createRequire } from 'node:module';",
  'const require = createRequire(import.meta.url), __dirname = import.meta.dirname, __filename = import.meta.filename;',
].join(' ');

/** `daemon-entry.mjs` names the compiled product; the source is as good here. */
const fromSource: Plugin = {
  name: 'from source',
  setup({ onResolve }) {
    onResolve({ filter: /\/dist\/commands\/serve\.js$/ }, () => ({ path: path.join(root, 'src/commands/serve.ts') }));
  },
};

/**
 * Packs the daemon, the simulator and what runs the scenarios in the guest into one file each, below `dir`: the share is slow with
 * many small files.
 */
export async function bundle(dir: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: {
      daemon: 'test/lab/inside/patient-daemon.ts',
      'patient-plugin': 'test/lab/inside/patient-plugin.ts',
      simulator: 'src/simulator/main.ts',
      prepare: 'test/lab/inside/prepare.ts',
      scenario: 'test/lab/inside/scenario.ts',
      'struck-daemon': 'test/lab/inside/struck-daemon.mjs',
      'second-node': 'test/lab/inside/second-node.ts',
      agent: 'test/lab/inside/agent.ts',
    },
    outdir: path.join(dir, 'lib'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner: { js: COMMONJS },
    // Names in stacks stay as they are in the source.
    keepNames: true,
    logLevel: 'error',
    // Native code: the metadata of the lab are in etcd, and ssh2 goes without its own.
    alias: { 'classic-level': './test/lab/no-classic-level.ts' },
    plugins: [fromSource],
    external: ['cpu-features', '*.node'],
  });
  // etcd3 reads its interface description from a file beside its code.
  await cp(path.join(root, 'node_modules', 'etcd3', 'proto'), path.join(dir, 'proto'), { recursive: true });
}
