import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { answersIn, blocksOf, typedIn, type Block } from '../documents/blocks.js';
import { asPattern, masked } from '../documents/masked.js';
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
const failover = marked('docs/failover.md');
const reader = [
  ...readme.slice(0, 1),
  ...['operate.md', 'resize.md', 'clones.md', 'backup.md'].flatMap((name) => marked(`docs/${name}`)),
  ...failover.slice(0, -1),
  ...readme.slice(1, 2),
  ...failover.slice(-1),
  ...readme.slice(2),
  ...marked('docs/snapshots.md'),
];

let stack: Stack;
let program: string;
/** What was printed, by what was typed. */
const printed = new Map<string, string>();

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

/** Types these one after the other, and keeps what each has printed. */
async function type(commands: string[]): Promise<void> {
  const lines = commands.map((line) => line.replaceAll('/etc/bash_completion.d/', '"$DIR"/'));
  const script = prelude() + lines.map((line) => `printf '${SEPARATOR}'\n${line}`).join('\n');
  const { stdout } = await execute('bash', ['-c', script], {
    env: { ...process.env, DIR: stack.dir },
    timeout: 120_000,
  });
  const answers = stdout.split(SEPARATOR).slice(1);
  for (const [at, line] of commands.entries())
    printed.set(line, (answers[at] ?? '').replaceAll(`${stack.dir}/`, '/root/').replaceAll(IMAGE, 'alpine'));
}

/** The disaster that a document is for; of this host the metadata are in its state directory. */
async function loseMetadata(): Promise<void> {
  await stack.daemon.stop();
  await rm(path.join(stack.dir, 'state/metadata'), { recursive: true });
  await stack.daemon.start();
}

const isForLostMetadata = (block: Block): boolean =>
  typedIn(block).some((line) => /plugin (?:restore|rebuild)/.test(line));

/** Volumes are told in the order of their ids, which are new each time. */
function inOrder(answer: string): string[] {
  const lines = answer.split('\n');
  const isVolume = (line: string): boolean => line.startsWith('would write: volume');
  return [...lines.filter(isVolume).toSorted(byText), ...lines.filter((line) => !isVolume(line))];
}

const byText = (one: string, other: string): number => (one < other ? -1 : 1);

const SEPARATOR = '==== typed ====';

it.each(reader.map((block) => [`${block.file}:${block.line}`, block] as const))(
  '%s does what it says, and prints it',
  async (_where, block) => {
    if (isForLostMetadata(block)) await loseMetadata();
    // What two documents show is one command.
    await type(typedIn(block).filter((line) => !printed.has(line)));
    for (const [typed, answer] of answersIn(block)) {
      const seen = masked(printed.get(typed) ?? '');
      // The words themselves, so that a difference can be read.
      if (answer.includes('…')) expect(seen).toMatch(asPattern(answer));
      else expect([typed, ...inOrder(seen)]).toEqual([typed, ...inOrder(masked(answer))]);
    }
    expect(typedIn(block).map((line) => printed.get(line))).not.toContain(expect.stringContaining('NO PROVEN SIDE'));
  },
);

it('no answer of Docker or of a command has a password of the arrays in it', async () => {
  const { docker } = stack.engine;
  const inspected = await docker('inspect', ...(await docker('volume', 'ls', '-q')).split('\n'));
  const { password } = stack.pair.arrays[0];
  for (const text of [inspected, ...printed.values()]) expect(text).not.toContain(password);
  expect(inspected).toContain('dcv-');
});

it('nothing is left on the arrays when the reader has removed what the documents made', async () => {
  const { docker } = stack.engine;
  // It ends the schedule, too.
  await docker('volume', 'rm', 'notes-first');
  // The end of the retention.
  for (const { name } of stack.pair.arrays) await stack.control.clock(name, 25);
  await docker('volume', 'rm', 'db-test', 'notes-monday', 'notes', 'files');
  expect(await docker('volume', 'ls', '-q')).toBe('');
  expect(await arrayObjects(stack.control)).toEqual([]);
});
