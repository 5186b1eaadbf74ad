import { hostLeftovers } from '../host-leftovers.js';
import { arrayOf, operator, type SimulatedArray } from '../pair-client.js';
import { arrayObjects, arraysExporting } from '../simulator-state.js';
import { waitFor } from './dockerd.js';
import type { Stack } from './stack.js';
import { expect, roleIn, type Evidence, type Story, type Tell } from './story.js';
import { writerIn, type Writer } from './writer.js';

const GROUP = 'RCG1';
const VOLUME = 'disaster-db';
const CONTAINER = 'hpe-disaster';
/** What an Unmount may take while the array is dead, and what Docker's own commands may add to it. */
const STOP_LIMIT_MS = 30_000;
/** The recovery round comes every minute. */
const RECOVERY_LIMIT_MS = 100_000;

interface Scene {
  stack: Stack;
  step: Tell;
  writer: Writer;
  primary: SimulatedArray;
  secondary: SimulatedArray;
  remoteGroup: string;
  arrayVolume: string;
}

/**
 * The primary array loses power while a container writes; with `reboot` the host goes down with it. Everything that was
 * acknowledged is on the secondary, and comes home with the primary.
 */
export function disasterStory({ reboot }: { reboot: boolean }): Story {
  return {
    volume: VOLUME,
    container: CONTAINER,
    ownEngine: reboot,
    async tell(stack, step) {
      const [primary, secondary] = [arrayOf(stack.pair, 'primary'), arrayOf(stack.pair, 'secondary')];
      const writer = await writerIn(stack, CONTAINER, VOLUME);
      const remoteGroup = `${GROUP}.r${primary.systemId}`;
      const scene = { stack, step, writer, primary, secondary, remoteGroup, arrayVolume: '' };
      await begin(scene);
      await losePrimary(scene);
      await (reboot ? rebootHost(scene) : stopContainer(scene));
      await failOver(scene);
      await primaryReturns(scene);
      await comeHome(scene);
      await removeAll(scene);
    },
  };
}

const servedBy = async ({ stack, arrayVolume }: Scene): Promise<string> =>
  (await arraysExporting(stack.control, arrayVolume)).join(' and ');

async function begin(scene: Scene): Promise<void> {
  const { stack, step, writer, primary, secondary } = scene;
  const { docker } = stack.engine;
  const options = ['-o', `replicationGroup=${GROUP}`, '-o', 'size=1'];
  const command = `docker volume create -d ${stack.driver} ${options.join(' ')} ${VOLUME}`;
  await step({ name: 'create', text: command }, async () => {
    await docker('volume', 'create', '-d', stack.driver, ...options, VOLUME);
    scene.arrayVolume = await docker('volume', 'inspect', '-f', '{{.Status.arrayVolume}}', VOLUME);
    return { group: GROUP, primary: primary.name, secondary: secondary.name };
  });
  await step(
    { name: 'write', text: 'docker run: a container writes numbered records, each synchronously' },
    async () => {
      await writer.run();
      const records = await writer.more(50);
      expect((await servedBy(scene)) === primary.name, `served by ${await servedBy(scene)}`);
      return { 'VLUN on': primary.name, 'records acknowledged': records };
    },
  );
}

async function losePrimary({ stack, step, writer, primary }: Scene): Promise<void> {
  await step({ name: 'power off', text: `${primary.name} loses power while the container writes` }, async () => {
    await writer.more(10);
    await stack.control.power(primary.name, false);
    const [error] = await waitFor(async () => {
      const errors = await writer.errors();
      expect(errors.length > 0, 'the container does not notice that the array is gone');
      return errors;
    }, 30_000);
    return { 'records acknowledged': await writer.acknowledged(), 'the container saw': error ?? '' };
  });
}

async function stopContainer(scene: Scene): Promise<void> {
  const { stack, step } = scene;
  await step({ name: 'stop', text: 'docker stop: ends in time, and notes what is left to do' }, async () => {
    const start = performance.now();
    await stack.engine.docker('stop', '-t', '1', CONTAINER);
    const took = performance.now() - start;
    expect(took < STOP_LIMIT_MS, `it took ${took} ms`);
    return { seconds: (took / 1000).toFixed(1), ...(await letGo(scene)) };
  });
}

async function rebootHost(scene: Scene): Promise<void> {
  const { stack, step } = scene;
  const text = 'the whole host goes down, too, and boots while the array is dead';
  await step({ name: 'reboot', text }, async () => {
    await stack.rebootHost();
    return waitFor(async () => letGo(scene), RECOVERY_LIMIT_MS);
  });
}

/** Nothing is held on the host, and the export that nobody can remove now is on the daemon's list. */
async function letGo(scene: Scene): Promise<Evidence> {
  const { stack, primary } = scene;
  const held = await hostLeftovers(stack.dir);
  expect(held.length === 0, `still there: ${held.join(', ')}`);
  const holder = await stack.engine.docker('volume', 'inspect', '-f', '{{json .Status.holder}}', VOLUME);
  expect(holder === 'null', `the volume is still held by ${holder}`);
  const log = await stack.daemon.log();
  expect(log.includes('the export stays until the array answers again'), 'what remains to be done is not logged');
  expect((await servedBy(scene)) === primary.name, `exports: ${await servedBy(scene)}`);
  return { 'mounts and devices on the host': 'none', 'to be done later': `the VLUN on ${primary.name}` };
}

async function failOver(scene: Scene): Promise<void> {
  const { stack, step, writer, secondary, remoteGroup } = scene;
  const acknowledged = await writer.acknowledged();
  await step({ name: 'start too early', text: 'docker start before the failover: refused' }, async () => {
    const refusal = await stack.engine.docker('start', CONTAINER).then(
      () => '',
      (error: unknown) => String(error),
    );
    const command = `setrcopygroup failover -f ${remoteGroup}`;
    expect(refusal.includes(command), `the refusal does not name the command: ${refusal}`);
    return { 'it says': command };
  });
  await step({ name: 'failover', text: `the operator: setrcopygroup failover -f ${remoteGroup}` }, async () => {
    await operator(secondary, `setrcopygroup failover -f ${remoteGroup}`);
    return { [secondary.name]: roleIn(await operator(secondary, `showrcopy groups ${remoteGroup}`)) };
  });
  await step({ name: 'start', text: `docker start: all records are there, from ${secondary.name}` }, async () => {
    await writer.forgetErrors();
    await stack.engine.docker('start', CONTAINER);
    await writer.prove(acknowledged);
    expect((await servedBy(scene)).includes(secondary.name), `served by ${await servedBy(scene)}`);
    return { 'records acknowledged': acknowledged, 'records found': acknowledged, now: await writer.more(50) };
  });
}

async function primaryReturns(scene: Scene): Promise<void> {
  const { stack, step, writer, primary, secondary } = scene;
  const text = `${primary.name} returns, with its old copy and its old VLUN: the VLUN goes, the copy is not used`;
  await step({ name: 'power on', text }, async () => {
    await stack.control.power(primary.name, true);
    await waitFor(async () => {
      const array = await servedBy(scene);
      expect(array === secondary.name, `served by ${array}`);
    }, RECOVERY_LIMIT_MS);
    const records = await writer.more(20);
    await writer.prove(records);
    return { 'VLUN on': secondary.name, [primary.name]: roleIn(await operator(primary, `showrcopy groups ${GROUP}`)) };
  });
  await step({ name: 'restart', text: 'docker restart: still from the live copy' }, async () => {
    await stack.engine.docker('restart', '-t', '1', CONTAINER);
    const records = await writer.acknowledged();
    await writer.prove(records);
    expect((await servedBy(scene)) === secondary.name, `served by ${await servedBy(scene)}`);
    return { 'VLUN on': secondary.name, 'records found': records, now: await writer.more(20) };
  });
}

async function comeHome(scene: Scene): Promise<void> {
  const { stack, step, writer, primary, secondary, remoteGroup } = scene;
  await step({ name: 'restore', text: `the operator: setrcopygroup recover, restore ${remoteGroup}` }, async () => {
    await stack.engine.docker('stop', '-t', '1', CONTAINER);
    await operator(secondary, `setrcopygroup recover -f ${remoteGroup}`);
    await operator(secondary, `setrcopygroup restore -f ${remoteGroup}`);
    return { [primary.name]: roleIn(await operator(primary, `showrcopy groups ${GROUP}`)) };
  });
  await step({ name: 'home', text: 'docker start: home again, with the records of both arrays' }, async () => {
    const acknowledged = await writer.acknowledged();
    await stack.engine.docker('start', CONTAINER);
    await writer.prove(acknowledged);
    expect((await servedBy(scene)) === primary.name, `served by ${await servedBy(scene)}`);
    const now = await writer.more(20);
    return { 'VLUN on': primary.name, 'records acknowledged': acknowledged, 'records found': acknowledged, now };
  });
}

async function removeAll({ stack, step }: Scene): Promise<void> {
  await step({ name: 'remove', text: `docker rm, docker volume rm ${VOLUME}: nothing is left` }, async () => {
    await stack.engine.docker('rm', '-f', CONTAINER);
    await stack.engine.docker('volume', 'rm', VOLUME);
    const left = [...(await arrayObjects(stack.control)), ...(await hostLeftovers(stack.dir))];
    expect(left.length === 0, `left over: ${left.join(', ')}`);
    return { 'left on the arrays': 'nothing', 'left on the host': 'nothing' };
  });
}
