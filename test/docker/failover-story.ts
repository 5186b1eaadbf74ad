import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator, type SimulatedArray } from '../pair-client.js';
import { arrayObjects, arraysExporting } from '../simulator-state.js';
import { IMAGE } from './engine.js';
import type { Stack } from './stack.js';
import { expect, roleIn, type Story, type Tell } from './story.js';

const GROUP = 'RCG1';
const VOLUME = 'demo-db';

/** The main job: create, write, fail over, read and write on the other array, come home, remove. */
export function failoverStory(driver: string): Story {
  const container = `${driver}-container`;
  return { volume: VOLUME, container, tell: async (stack, step) => tell(sceneOf(stack, container), step) };
}

interface Scene {
  stack: Stack;
  docker: Stack['engine']['docker'];
  container: string;
  primary: SimulatedArray;
  secondary: SimulatedArray;
  remoteGroup: string;
  /** Writes a file of random data, and says its checksum. */
  write(file: string): Promise<string>;
  checksumOf(file: string): Promise<string>;
  /** The arrays that export the volume. */
  servedBy(): Promise<string>;
}

function sceneOf(stack: Stack, container: string): Scene {
  const { docker } = stack.engine;
  const [primary, secondary] = [arrayOf(stack.pair, 'primary'), arrayOf(stack.pair, 'secondary')];
  /** The container runs for as long as nobody stops it; what is written and read goes through `docker exec`. */
  const inside = async (script: string): Promise<string> => docker('exec', container, 'sh', '-c', script);
  const checksumOf = async (file: string): Promise<string> => (await inside(`md5sum < /data/${file}`)).slice(0, 32);
  return {
    stack,
    docker,
    container,
    primary,
    secondary,
    remoteGroup: `${GROUP}.r${primary.systemId}`,
    async write(file) {
      await inside(`dd if=/dev/urandom of=/data/${file} bs=64k count=32 2>/dev/null; sync`);
      return checksumOf(file);
    },
    checksumOf,
    async servedBy() {
      const arrayVolume = await docker('volume', 'inspect', '-f', '{{.Status.arrayVolume}}', VOLUME);
      return (await arraysExporting(stack.control, arrayVolume)).join(' and ');
    },
  };
}

async function tell(scene: Scene, step: Tell): Promise<void> {
  const first = await begin(scene, step);
  const second = await failOver(scene, step, first);
  await comeHome(scene, step, [first, second]);
}

async function begin(scene: Scene, step: Tell): Promise<string> {
  const { docker, container, primary, secondary, remoteGroup, servedBy } = scene;
  const { driver } = scene.stack;
  const options = ['-o', `replicationGroup=${GROUP}`, '-o', 'size=1'];
  let first = '';
  const command = `docker volume create -d ${driver} ${options.join(' ')} ${VOLUME}`;
  await step({ name: 'create', text: command }, async () => {
    await docker('volume', 'create', '-d', driver, '--name', VOLUME, ...options);
    const groups = await operator(primary, `showrcopy groups ${GROUP}`);
    expect(/Started/.test(groups) && /Primary/.test(groups), `the group is not started: ${groups}`);
    return {
      group: GROUP,
      primary: `${primary.name} Primary, Started`,
      secondary: `${secondary.name} ${remoteGroup}`,
    };
  });
  const text = 'docker run: exported from the primary array, formatted once, written';
  await step({ name: 'run', text }, async () => {
    const mount = ['--network', 'none', '-v', `${VOLUME}:/data`];
    await docker('run', '-d', '--name', container, ...mount, IMAGE, 'sleep', '100000');
    first = await scene.write('first');
    const array = await servedBy();
    expect(array === primary.name, `served by ${array}`);
    return { 'VLUN on': array, checksum: first };
  });
  await step({ name: 'stop', text: 'docker stop: unmounted, detached, the export is gone' }, async () => {
    await docker('stop', '-t', '1', container);
    const array = await servedBy();
    expect(array === '', `still exported from ${array}`);
    return { 'VLUN on': 'none' };
  });
  return first;
}

async function failOver(scene: Scene, step: Tell, first: string): Promise<string> {
  const { docker, container, primary, secondary, remoteGroup } = scene;
  let second = '';
  const commands = `stoprcopygroup ${GROUP}; setrcopygroup failover ${remoteGroup}`;
  await step({ name: 'failover', text: `the operator: ${commands}` }, async () => {
    await operator(primary, `stoprcopygroup -f ${GROUP}`);
    await operator(secondary, `setrcopygroup failover -f ${remoteGroup}`);
    return { [secondary.name]: roleIn(await operator(secondary, `showrcopy groups ${remoteGroup}`)) };
  });
  const text = 'docker start: the data is there, served by the other array';
  await step({ name: 'start after failover', text }, async () => {
    await docker('start', container);
    const array = await scene.servedBy();
    const checksum = await scene.checksumOf('first');
    expect(array === secondary.name, `served by ${array}`);
    expect(checksum === first, `the checksum is ${checksum}, was ${first}`);
    second = await scene.write('second');
    return { 'VLUN on': array, checksum, 'second write': second };
  });
  return second;
}

async function comeHome(scene: Scene, step: Tell, [first, second]: [string, string]): Promise<void> {
  const { stack, docker, container, primary, secondary, remoteGroup } = scene;
  const commands = `setrcopygroup recover, then restore ${remoteGroup}`;
  await step({ name: 'restore', text: `the operator: ${commands}` }, async () => {
    await docker('stop', '-t', '1', container);
    await operator(secondary, `setrcopygroup recover -f ${remoteGroup}`);
    await operator(secondary, `setrcopygroup restore -f ${remoteGroup}`);
    return { [primary.name]: roleIn(await operator(primary, `showrcopy groups ${GROUP}`)) };
  });
  const text = 'docker start: home again, both writes are there';
  await step({ name: 'start after restore', text }, async () => {
    await docker('start', container);
    const array = await scene.servedBy();
    const [one, two] = [await scene.checksumOf('first'), await scene.checksumOf('second')];
    expect(array === primary.name, `served by ${array}`);
    expect(one === first && two === second, `checksums ${one} and ${two}, were ${first} and ${second}`);
    return { 'VLUN on': array, first: one, second: two };
  });
  const remove = `docker rm, docker volume rm ${VOLUME}: both copies and the group are gone`;
  await step({ name: 'remove', text: remove }, async () => {
    await docker('rm', '-f', container);
    await docker('volume', 'rm', VOLUME);
    const left = [...(await arrayObjects(stack.control)), ...(await hostLeftovers(stack.dir))];
    expect(left.length === 0, `left over: ${left.join(', ')}`);
    return { 'left on the arrays': 'nothing', 'left on the host': 'nothing' };
  });
}
