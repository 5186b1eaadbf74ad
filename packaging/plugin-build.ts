import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makePluginDirectory } from './plugin-directory.js';
import { run } from './run.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** `docker` or `debian`; both are tried, in this order, when it is not said. */
    rootfs: { type: 'string' },
  },
});
const [name = 'hpe'] = positionals;
const dir = path.join(root, 'plugin');

/** Says how it was made, on standard error. */
async function makeDirectory(): Promise<void> {
  const asked = values.rootfs;
  if (asked !== undefined && asked !== 'docker' && asked !== 'debian') throw new Error('--rootfs is docker or debian');
  let missing: string[];
  try {
    missing = await makePluginDirectory(dir, asked ?? 'docker');
  } catch (error) {
    if (asked !== undefined) throw error;
    console.error('the image could not be built (see above): Debian packages and the local Node instead');
    missing = await makePluginDirectory(dir, 'debian');
  }
  if (missing.length > 0) {
    console.error(`left out of config.json, because this machine has none to give: ${missing.join(', ')}`);
  }
}

try {
  await makeDirectory();
  await run('docker', ['plugin', 'create', name, dir], root);
  console.log(`plugin ${name} is there. Next, with hpe.conf in place:
  docker plugin enable --timeout 120 ${name}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
