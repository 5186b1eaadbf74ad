import { difference } from '../crash/world.js';
import { happen } from './happenings.js';
import { Violation } from './ledger.js';
import { isHealthy, type Scene } from './scene.js';
import { complaints, settle } from './settle.js';
import { NODES } from './steps.js';
import { finishCalls, perform } from './verbs.js';
import { waitUntilNone } from './wait.js';

/** The id of the container that looks at the end whether everything is still there. */
const LAST_ID = 'last';
/** On a machine that is too busy for short leases. */
const ATTEMPTS = 5;

/**
 * Brings everything home: all runs and answers, no container is left, groups have their natural roles. Then each volume is
 * mounted once more, with all that it has to hold, and removed. @throws Violation
 */
export async function heal(scene: Scene): Promise<void> {
  await repair(scene);
  await finishCalls(scene);
  await bringHome(scene);
  await stopContainers(scene);
  if (!(await settle(scene))) throw new Violation(`not settled at the end${await complaints(scene)}`);
  await startGroups(scene);
  for (const [index, name] of [...scene.ledger.volumes.keys()].entries()) {
    const [node, other] = index % 2 === 0 ? NODES : NODES.toReversed();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      await perform(scene, { do: 'mount', node, volume: name, id: LAST_ID, holds: false });
      await perform(scene, { do: 'unmount', node, volume: name, id: LAST_ID });
      await perform(scene, { do: 'remove', node: other, volume: name });
      if (!scene.unsettled) break;
      await settle(scene);
    }
  }
}

/** @throws Violation when anything is left, missing or changed */
export async function expectAsBefore(scene: Scene, before: readonly string[]): Promise<void> {
  const left = await waitUntilNone(async () => difference(await scene.world.outline(), before));
  if (left.length > 0) throw new Violation(`at the end: ${left.join('\n    ')}${await complaints(scene)}`);
}

async function repair(scene: Scene): Promise<void> {
  await happen(scene, { do: 'etcd', on: true });
  for (const side of ['primary', 'secondary'] as const) await happen(scene, { do: 'power', side, on: true });
  await happen(scene, { do: 'link', up: true });
  for (const node of NODES) {
    await happen(scene, { do: 'daemon', action: 'resume', node });
    await happen(scene, { do: 'daemon', action: 'start', node });
  }
  if (!isHealthy(scene)) throw new Error('the world is not healthy after its repair');
}

async function bringHome(scene: Scene): Promise<void> {
  const { ledger } = scene;
  const groups = new Set([...ledger.volumes.values()].map((each) => each.group));
  for (const group of groups) {
    if (group === undefined || ledger.activeSide({ group }) === 'primary') continue;
    await happen(scene, { do: 'operator', action: 'restore', group });
    if (ledger.activeSide({ group }) !== 'primary') throw new Error(`group ${group} cannot be restored`);
  }
}

/** Whoever stopped them. */
async function startGroups(scene: Scene): Promise<void> {
  for (const { group } of scene.ledger.volumes.values()) {
    if (group !== undefined) await happen(scene, { do: 'operator', action: 'start', group });
  }
}

/** dockerd repeats an Unmount that failed; for what another node took over, too. */
async function stopContainers({ world, ledger }: Scene): Promise<void> {
  for (const { file } of ledger.containers) await file?.close();
  for (const container of ledger.containers.splice(0)) {
    const { node, id, volume } = container;
    const failures = await waitUntilNone(async () => {
      const err = await world.daemons[node].docker.unmount(volume.name, id);
      return err === '' ? [] : [err];
    });
    if (failures.length > 0) throw new Violation(`${node}: unmount ${volume.name} for ${id}: ${failures.join()}`);
    volume.unsure = true;
  }
}
