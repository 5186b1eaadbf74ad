import { build, type Plugin } from 'esbuild';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = path.join(root, 'dist');

/** zod's messages in fifty languages are a third of what has to be read at a start. */
const englishOnly: Plugin = {
  name: 'english-only',
  setup({ onLoad }) {
    onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/**
 * Puts what `dist/main.js` is made of into one file, and into `dist/parts` what it loads when it is needed, because Node takes
 * most of a second to find and read the some 600 files of it. What has native parts stays where npm has put it, and so does
 * what the tests watch from outside.
 */
await rm(path.join(dist, 'parts'), { recursive: true, force: true });
await build({
  entryPoints: [path.join(root, 'src/main.ts')],
  outdir: dist,
  chunkNames: 'parts/[name]-[hash]',
  splitting: true,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  // Names stay as they are, for those who read a stack.
  minifyWhitespace: true,
  minifySyntax: true,
  external: ['classic-level', 'etcd3', 'ssh2'],
  plugins: [englishOnly],
  // Packages of the older kind ask for Node's own modules with it.
  banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  logLevel: 'warning',
});
