import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { blocksOf, typedIn, type Block } from '../documents/blocks.js';
import { arrayObjects } from '../simulator-state.js';
import { IMAGE } from './engine.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(180_000);

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const ME = 'run by test/docker/documentation.test.ts';

/** In the order of a reader, whose blocks follow each other: README up to the failover, the others, README from there on. */
const marked = (file: string): Block[] => blocksOf(file).filter(({ mark }) => mark === ME);
const readme = marked('README.md');
const reader = [
  ...readme.slice(0, 1),
  ...['operate.md', 'clones.md', 'backup.md', 'failover.md'].flatMap((name) => marked(`docs/${name}`)),
  ...readme.slice(1),
];

let stack: Stack;
let program: string;

beforeAll(async () => {
  // An engine of its own: the containers have the names of the documents.
  stack = await startStack({ driver: 'hpe-doc', mode: 'synchronous', engine: { own: true } });
  program = path.join(root, 'node_modules/.cache', `hpe-doc-${process.pid}.mjs`);
  await build({
    entryPoints: [path.join(root, 'src/main.ts')],
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
});
afterAll(async () => {
  await rm(program, { force: true });
  await stack.stop();
});

/** The words of a reader's machine that are others here. */
function prelude(): string {
  const host = stack.engine.dockerd?.host ?? '';
  const where = `--config "$DIR/hpe.conf" --state-dir "$DIR/state"`;
  return `set -eu
docker() {
  local words=() word
  for word in "$@"; do
    case $word in hpe) word=${stack.driver} ;; IMAGE|alpine) word=${IMAGE} ;; esac
    words+=("$word")
    # tail, as the first process, does not hear SIGTERM.
    if [ "$word" = run ]; then words+=(--stop-timeout 1); fi
  done
  command docker -H ${host} "\${words[@]}"
}
hpe-volume-plugin() {
  local words=("\${@/#\\/root\\//$DIR/}") more=()
  case $1 in
    completion|help) ;;
    status|failover|failback) more=(${where} --docker-socket ${host.replace('unix://', '')}) ;;
    *) more=(${where}) ;;
  esac
  ${process.execPath} ${program} "\${words[@]}" "\${more[@]}"
}
`;
}

it.each(reader.map((block) => [`${block.file}:${block.line}`, block] as const))(
  '%s does what it says',
  async (_where, block) => {
    const script = prelude() + typedIn(block).join('\n');
    const { stdout } = await execute('bash', ['-c', script], {
      env: { ...process.env, DIR: stack.dir },
      timeout: 120_000,
    });
    expect(stdout).not.toContain('NO PROVEN SIDE');
  },
);

it('nothing is left on the arrays when the reader has removed what the documents made', async () => {
  await stack.engine.docker('volume', 'rm', 'db-test');
  expect(await stack.engine.docker('volume', 'ls', '-q')).toBe('');
  expect(await arrayObjects(stack.control)).toEqual([]);
});
