import { execFile } from 'node:child_process';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makePluginDirectory } from '../../packaging/plugin-directory.js';
import { PLUGIN_VERSIONS, pluginTar } from './plugin-versions.js';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const PRODUCT = 'opt/hpe-volume-plugin';
const NODE = 'usr/local/bin/node';

interface PluginConfig {
  entrypoint: string[];
  mounts: object[];
}

/**
 * Makes the managed plugin with the code of `npm run plugin:build`, in two versions, as files in `dir` that Docker takes; answers
 * them. `app` has the bundled programs. It differs from a user's where emulation is too slow: dockerd, which gives a plugin 12 s to
 * start, would read hundreds of files, and packs 190 MB. So the daemon is one file, as elsewhere in the lab, and Node the guest's,
 * which is the same.
 */
export async function makePluginTars(dir: string, app: string): Promise<string[]> {
  const made = path.join(dir, 'plugin');
  const inRootfs = (file: string): string => path.join(made, 'rootfs', file);
  await makePluginDirectory(made, 'debian');
  await writeFile(path.join(made, 'config.json'), JSON.stringify(await configInGuest()));
  for (const name of ['dist', 'node_modules']) await rm(inRootfs(`${PRODUCT}/${name}`), { recursive: true });
  await cp(path.join(app, 'lib/patient-plugin.mjs'), inRootfs(`${PRODUCT}/dist/main.mjs`));
  await cp(path.join(app, 'proto'), inRootfs(`${PRODUCT}/proto`), { recursive: true });
  await writeFile(inRootfs(NODE), '');
  const manifest = JSON.parse(await readFile(inRootfs(`${PRODUCT}/package.json`), 'utf8')) as object;
  const tars: string[] = [];
  for (const version of PLUGIN_VERSIONS) {
    await writeFile(inRootfs(`${PRODUCT}/package.json`), JSON.stringify({ ...manifest, version }));
    const tar = path.join(dir, pluginTar(version));
    await execute('tar', ['-C', made, '-cf', tar, 'config.json', 'rootfs']);
    tars.push(tar);
  }
  await rm(made, { recursive: true });
  return tars;
}

/** With all its capabilities, though this machine may have fewer to give. */
async function configInGuest(): Promise<PluginConfig> {
  const config = JSON.parse(await readFile(path.join(root, 'config.json'), 'utf8')) as PluginConfig;
  const at = `/${NODE}`;
  const node = { name: 'node', type: 'bind', source: at, destination: at, options: ['rbind', 'ro'] };
  return {
    ...config,
    entrypoint: config.entrypoint.map((word) => word.replace('main.js', 'main.mjs')),
    mounts: [...config.mounts, node],
  };
}
