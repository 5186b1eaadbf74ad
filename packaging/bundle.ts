import { build, type Plugin } from 'esbuild';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = path.join(root, 'dist');

/** Of what packages bring along, the third of a start that a daemon never needs which speaks JSON in UTF-8, and English. */
const asMuchAsIsSpoken: Plugin = {
  name: 'as-much-as-is-spoken',
  setup({ onLoad, onEnd }) {
    // A package that has moved one of these would bring it back unnoticed.
    const met = { messages: 0, tables: 0, types: 0 };
    onEnd(() => {
      for (const [what, times] of Object.entries(met)) if (times === 0) throw new Error(`no ${what} were left out`);
    });
    // zod's messages in fifty languages.
    onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => {
      met.messages += 1;
      return { contents: "export { default as en } from './en.js';" };
    });
    // Tables of other character sets, which are then refused as unknown.
    onLoad({ filter: /\/iconv-lite\/encodings\/[ds]bcs-data(-generated)?\.js$/ }, () => {
      met.tables += 1;
      return { contents: 'module.exports = {};' };
    });
    // All media types that there are.
    onLoad({ filter: /\/mime-db\/db\.json$/ }, async ({ path: file }) => {
      met.types += 1;
      const known = Object.entries(JSON.parse(await readFile(file, 'utf8')) as object);
      return {
        contents: JSON.stringify(Object.fromEntries(known.filter(([type]) => SPOKEN.has(type)))),
        loader: 'json',
      };
    });
  },
};
const SPOKEN = new Set(['application/json', 'application/octet-stream', 'text/html', 'text/plain']);

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
  plugins: [asMuchAsIsSpoken],
  // Packages of the older kind ask for Node's own modules with it.
  banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  logLevel: 'warning',
});
