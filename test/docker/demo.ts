import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { arrayOf, operator } from '../pair-client.js';
import { IMAGE } from './engine.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects, arraysExporting } from '../simulator-state.js';
import { startStack, type Stack } from './stack.js';

const execute = promisify(execFile);
const GROUP = 'RCG1';
const VOLUME = 'demo-db';
const json = process.argv.includes('--json');

type Evidence = Record<string, string | number | boolean>;

/** One step of the story: does it, proves it, tells it. @throws when the proof fails */
async function step(name: string, tell: string, work: () => Promise<Evidence>): Promise<void> {
  const start = performance.now();
  try {
    const evidence = await work();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    if (json) console.log(JSON.stringify({ step: name, ok: true, evidence }));
    else console.log(`✓ ${tell} (${seconds} s)\n    ${describe(evidence)}`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (json) console.log(JSON.stringify({ step: name, ok: false, evidence: { error: text } }));
    else console.log(`✗ ${tell}\n    ${text}`);
    throw error;
  }
}

const describe = (evidence: Evidence): string =>
  Object.entries(evidence)
    .map(([key, value]) => `${key}: ${value}`)
    .join('; ');

function expect(condition: boolean, complaint: string): void {
  if (!condition) throw new Error(complaint);
}

async function story(stack: Stack): Promise<void> {
  const { docker } = stack.engine;
  const [primary, secondary] = [arrayOf(stack.pair, 'primary'), arrayOf(stack.pair, 'secondary')];
  const remoteGroup = `${GROUP}.r${primary.systemId}`;
  const container = `${stack.driver}-container`;
  /** The container runs for as long as nobody stops it; what is written and read goes through `docker exec`. */
  const inside = async (script: string): Promise<string> => docker('exec', container, 'sh', '-c', script);
  const write = async (file: string): Promise<string> => {
    await inside(`dd if=/dev/urandom of=/data/${file} bs=64k count=32 2>/dev/null; sync`);
    return checksumOf(file);
  };
  const checksumOf = async (file: string): Promise<string> => (await inside(`md5sum < /data/${file}`)).slice(0, 32);
  let arrayVolume = '';
  const servedBy = async (): Promise<string> => (await arraysExporting(stack.control, arrayVolume)).join(' and ');
  const restart = async (): Promise<string> => {
    await docker('start', container);
    return servedBy();
  };
  let first = '';
  let second = '';

  await step(
    'create',
    `docker volume create -d ${stack.driver} -o replicationGroup=${GROUP} -o size=1 ${VOLUME}`,
    async () => {
      const { driver } = stack;
      await docker(
        'volume',
        'create',
        '-d',
        driver,
        '--name',
        VOLUME,
        '-o',
        `replicationGroup=${GROUP}`,
        '-o',
        'size=1',
      );
      arrayVolume = await docker('volume', 'inspect', '-f', '{{.Status.arrayVolume}}', VOLUME);
      const groups = await operator(primary, `showrcopy groups ${GROUP}`);
      expect(/Started/.test(groups) && /Primary/.test(groups), `the group is not started: ${groups}`);
      return {
        group: GROUP,
        primary: `${primary.name} Primary, Started`,
        secondary: `${secondary.name} ${remoteGroup}`,
      };
    },
  );
  await step('run', 'docker run: exported from the primary array, formatted once, written', async () => {
    await docker(
      'run',
      '-d',
      '--name',
      container,
      '--network',
      'none',
      '-v',
      `${VOLUME}:/data`,
      IMAGE,
      'sleep',
      '100000',
    );
    first = await write('first');
    const array = await servedBy();
    expect(array === primary.name, `served by ${array}`);
    return { 'VLUN on': array, checksum: first };
  });
  await step('stop', 'docker stop: unmounted, detached, the export is gone', async () => {
    await docker('stop', '-t', '1', container);
    const array = await servedBy();
    expect(array === '', `still exported from ${array}`);
    return { 'VLUN on': 'none' };
  });
  await step('failover', `the operator: stoprcopygroup ${GROUP}; setrcopygroup failover ${remoteGroup}`, async () => {
    await operator(primary, `stoprcopygroup -f ${GROUP}`);
    await operator(secondary, `setrcopygroup failover -f ${remoteGroup}`);
    return { [secondary.name]: roleIn(await operator(secondary, `showrcopy groups ${remoteGroup}`)) };
  });
  await step('start after failover', 'docker start: the data is there, served by the other array', async () => {
    const array = await restart();
    const checksum = await checksumOf('first');
    expect(array === secondary.name, `served by ${array}`);
    expect(checksum === first, `the checksum is ${checksum}, was ${first}`);
    second = await write('second');
    return { 'VLUN on': array, checksum, 'second write': second };
  });
  await step('restore', `the operator: setrcopygroup recover, then restore ${remoteGroup}`, async () => {
    await docker('stop', '-t', '1', container);
    await operator(secondary, `setrcopygroup recover -f ${remoteGroup}`);
    await operator(secondary, `setrcopygroup restore -f ${remoteGroup}`);
    return { [primary.name]: roleIn(await operator(primary, `showrcopy groups ${GROUP}`)) };
  });
  await step('start after restore', 'docker start: home again, both writes are there', async () => {
    const array = await restart();
    const [one, two] = [await checksumOf('first'), await checksumOf('second')];
    expect(array === primary.name, `served by ${array}`);
    expect(one === first && two === second, `checksums ${one} and ${two}, were ${first} and ${second}`);
    return { 'VLUN on': array, first: one, second: two };
  });
  await step('remove', `docker rm, docker volume rm ${VOLUME}: both copies and the group are gone`, async () => {
    await docker('rm', '-f', container);
    await docker('volume', 'rm', VOLUME);
    const left = [...(await arrayObjects(stack.control)), ...(await hostLeftovers(stack.dir))];
    expect(left.length === 0, `left over: ${left.join(', ')}`);
    return { 'left on the arrays': 'nothing', 'left on the host': 'nothing' };
  });
}

const roleIn = (groups: string): string => /Primary-Rev|Secondary-Rev|Primary|Secondary/.exec(groups)?.[0] ?? groups;

/** `hpe`, as users type it, unless a plugin of that name is running here already. */
async function freeDriverName(): Promise<string> {
  const probe = connect('/run/docker/plugins/hpe.sock');
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
  let stack: Stack | undefined;
  try {
    const driver = await freeDriverName();
    await step('start', 'two simulated arrays, the daemon with its embedded store, a Docker engine', async () => {
      stack = await startStack({ driver, mode: 'synchronous' });
      const { pair, engine, dir } = stack;
      return {
        arrays: pair.arrays.map((array) => `${array.name} ${array.apiUrl}`).join(', '),
        engine: engine.shared ? 'the one that runs here' : 'started for the demo',
        directory: path.basename(dir),
      };
    });
    if (stack !== undefined) await story(stack);
  } finally {
    if (stack !== undefined) await cleanUp(stack);
  }
  if (!json) console.log(`done in ${((performance.now() - start) / 1000).toFixed(0)} s`);
}

async function cleanUp(stack: Stack): Promise<void> {
  await stack.engine.docker('rm', '-f', `${stack.driver}-container`).catch(() => undefined);
  await stack.engine.docker('volume', 'rm', '-f', VOLUME).catch(() => undefined);
  await stack.stop();
}

try {
  await main();
} catch (error) {
  if (!json) console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
