import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { disasterStory } from './disaster-story.js';
import { failoverStory } from './failover-story.js';
import { pluginSocket, startStack, type Stack } from './stack.js';
import type { Evidence, Story, Tell } from './story.js';

const execute = promisify(execFile);
const { json, disaster, reboot } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    /** The primary array loses power under a running container, instead of a planned failover. */
    disaster: { type: 'boolean', default: false },
    /** With --disaster: the host goes down with it. */
    reboot: { type: 'boolean', default: false },
  },
}).values;

/** Does a step, proves it, tells it. @throws when the proof fails */
const step: Tell = async ({ name, text }, work) => {
  const start = performance.now();
  try {
    const evidence = await work();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    if (json) console.log(JSON.stringify({ step: name, ok: true, evidence }));
    else console.log(`✓ ${text} (${seconds} s)\n    ${describe(evidence)}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (json) console.log(JSON.stringify({ step: name, ok: false, evidence: { error: reason } }));
    else console.log(`✗ ${text}\n    ${reason}`);
    throw error;
  }
};

const describe = (evidence: Evidence): string =>
  Object.entries(evidence)
    .map(([key, value]) => `${key}: ${value}`)
    .join('; ');

/** `hpe`, as users type it, unless a plugin of that name is running here already. */
async function freeDriverName(): Promise<string> {
  const probe = connect(pluginSocket('hpe'));
  const taken = await once(probe, 'connect').then(
    () => true,
    () => false,
  );
  probe.destroy();
  return taken ? 'hpe-demo' : 'hpe';
}

async function main(): Promise<void> {
  const install = fileURLToPath(new URL('../install.sh', import.meta.url));
  await execute('bash', [install, 'dockerd', 'busybox', 'mkfs.ext4', 'losetup', 'blkid'], { maxBuffer: 64 << 20 });
  const start = performance.now();
  const driver = await freeDriverName();
  const story = disaster ? disasterStory({ reboot }) : failoverStory(driver);
  let stack: Stack | undefined;
  try {
    const text = 'two simulated arrays, the daemon with its embedded store, a Docker engine';
    await step({ name: 'start', text }, async () => {
      stack = await startStack({ driver, mode: 'synchronous', engine: { own: story.ownEngine === true } });
      const { pair, engine, dir } = stack;
      return {
        arrays: pair.arrays.map((array) => `${array.name} ${array.apiUrl}`).join(', '),
        engine: engine.dockerd === undefined ? 'the one that runs here' : 'started for the demo',
        directory: path.basename(dir),
      };
    });
    if (stack !== undefined) await story.tell(stack, step);
  } finally {
    if (stack !== undefined) await cleanUp(stack, story);
  }
  if (!json) console.log(`done in ${((performance.now() - start) / 1000).toFixed(0)} s`);
}

async function cleanUp(stack: Stack, { container, volume }: Story): Promise<void> {
  await stack.engine.docker('rm', '-f', container).catch(() => undefined);
  await stack.engine.docker('volume', 'rm', '-f', volume).catch(() => undefined);
  await stack.stop();
}

try {
  await main();
} catch (error) {
  if (!json) console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
