import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const IMAGE = 'hpe-volume-plugin-rootfs';

/** Where the root file system comes from: the Dockerfile, or Debian packages and this machine's Node. */
export type RootfsFrom = 'docker' | 'debian';

/** What of config.json is looked at here. */
interface PluginConfig {
  linux: { capabilities: string[] };
}

/** Packs the compiled product with all that it needs; answers the file. */
export async function packProduct(dir: string): Promise<string> {
  await run('npm', ['run', '-s', 'build'], root);
  await run('npm', ['pack', '--silent', '--pack-destination', dir], root);
  const name = (await readdir(dir)).find((each) => each.endsWith('.tgz'));
  if (name === undefined) throw new Error(`npm pack left no file in ${dir}`);
  return path.join(dir, name);
}

/**
 * Makes `dir` what `docker plugin create` takes: config.json and rootfs. What was there is replaced. Answers the capabilities that
 * were left out of config.json, because this machine has none to give: Docker could not enable the plugin with them.
 */
export async function makePluginDirectory(dir: string, from: RootfsFrom): Promise<string[]> {
  const rootfs = path.join(dir, 'rootfs');
  await rm(dir, { recursive: true, force: true });
  await mkdir(rootfs, { recursive: true });
  if (from === 'docker') await exportImage(dir, rootfs);
  else await fromDebian(dir, rootfs);
  const config = JSON.parse(await readFile(path.join(root, 'config.json'), 'utf8')) as PluginConfig;
  const missing = await missingCapabilities(config.linux.capabilities);
  config.linux.capabilities = config.linux.capabilities.filter((each) => !missing.includes(each));
  await writeFile(path.join(dir, 'config.json'), JSON.stringify(config, undefined, 2));
  return missing;
}

async function exportImage(dir: string, rootfs: string): Promise<void> {
  const tar = path.join(dir, 'rootfs.tar');
  await run('docker', ['build', '--tag', IMAGE, '.'], root);
  await run('docker', ['create', '--name', IMAGE, IMAGE, 'none'], root);
  try {
    await run('docker', ['export', '--output', tar, IMAGE], root);
  } finally {
    await run('docker', ['rm', IMAGE], root);
  }
  await run('tar', ['-xf', tar, '-C', rootfs], root);
  await rm(tar);
}

async function fromDebian(dir: string, rootfs: string): Promise<void> {
  await run('bash', [path.join(root, 'packaging/debian-rootfs.sh'), rootfs], root);
  const product = path.join(rootfs, 'opt/hpe-volume-plugin');
  for (const each of [product, path.join(rootfs, 'opt/hpe/data'), path.join(rootfs, 'run/docker/plugins')]) {
    await mkdir(each, { recursive: true });
  }
  const packed = await packProduct(dir);
  await run('tar', ['-xzf', packed, '-C', product, '--strip-components=1'], root);
  await rm(packed);
  await chmod(path.join(product, 'dist/main.js'), 0o755);
  await symlink('/opt/hpe-volume-plugin/dist/main.js', path.join(rootfs, 'usr/local/bin/hpe-volume-plugin'));
}

/** Numbers of the kernel, capabilities(7). */
const CAPABILITY_NUMBERS: Readonly<Record<string, number>> = {
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
};

/** Those that are not in the bounding set here, so that no child of dockerd can have them either. */
async function missingCapabilities(wanted: readonly string[]): Promise<string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return wanted.filter((each) => {
    const number = CAPABILITY_NUMBERS[each];
    if (number === undefined) throw new Error(`the number of ${each} is not known here`);
    return ((bounding >> BigInt(number)) & 1n) === 0n;
  });
}
