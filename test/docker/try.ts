import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { blocksOf } from '../documents/blocks.js';
import { root } from '../documents/generated.js';
import { IMAGE, startEngine, type Engine } from './engine.js';

/**
 * Types docs/try.md in a fresh clone, and prints the transcript with the seconds since its begin. Run by hand (`npm run
 * try`), as it brings the packages anew and writes to /etc and /var/lib, whose directories must not be there before.
 */
const DOCUMENT = 'docs/try.md';
const DIRECTORIES = ['/etc/hpedockerplugin', '/var/lib/hpe-volume-plugin'];

const execute = promisify(execFile);

async function main(): Promise<void> {
  const there = DIRECTORIES.filter((each) => existsSync(each));
  if (there.length > 0) throw new Error(`${there.join(' and ')} would be overwritten; next: do it on another machine`);
  const dir = await mkdtemp(path.join(tmpdir(), 'hpe-try-'));
  const engine = await startEngine({ own: true, hostNetwork: true });
  try {
    await execute('git', ['clone', '-q', root, path.join(dir, 'clone')]);
    await type(script(engine), path.join(dir, 'clone'), engine);
  } finally {
    await engine.docker('plugin', 'disable', '-f', 'hpe').catch(() => undefined);
    await engine.stop();
    for (const each of [...DIRECTORIES, dir]) await rm(each, { recursive: true, force: true });
  }
}

/** The blocks, with the words that are others here: the image that needs no registry, and the way to this host's tools. */
function script(engine: Engine): string {
  const blocks = blocksOf(DOCUMENT).map(({ text }) => text);
  const socket = engine.dockerd?.host.replace('unix://', '') ?? '';
  return [
    `set -eu; trap 'kill $(jobs -p) 2>/dev/null' EXIT`,
    // The container's first process does not hear SIGTERM.
    `docker() { local words=("\${@/#alpine/${IMAGE}}"); [ "$1" != run ] || words=(run --stop-timeout 1 "\${words[@]:1}"); command docker "\${words[@]}"; }`,
    `npx() { case $2 in failover|failback|status) command npx "$@" --docker-socket ${socket};; *) command npx "$@";; esac; }`,
    'set -v',
    ...blocks,
    'set +v',
  ]
    .join('\n')
    .replace('[DEFAULT]\n', `[DEFAULT]\n${pathToTools()}`);
}

/** Process 1 is out of reach on some machines that run tests; the mount namespace of this process is the same. */
function pathToTools(): string {
  return `host_command_prefix = nsenter --mount=/proc/${process.pid}/ns/mnt --ipc=/proc/${process.pid}/ns/ipc --\n`;
}

async function type(text: string, cwd: string, engine: Engine): Promise<void> {
  const begun = performance.now();
  const env = { ...process.env, DOCKER_HOST: engine.dockerd?.host ?? '' };
  const shell = spawn('bash', ['-c', 'exec bash 2>&1'], { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.end(`${text}\n`);
  const ended = once(shell, 'exit');
  for await (const line of createInterface({ input: shell.stdout })) {
    console.log(`${((performance.now() - begun) / 1000).toFixed(0).padStart(4)} s  ${line}`);
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`the shell ended with ${String(code)}`);
}

await main();
