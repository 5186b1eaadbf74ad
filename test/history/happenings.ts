import { failover, recover, restore } from '../../src/simulator/disaster-recovery.js';
import { setLink, setPower } from '../../src/simulator/outage.js';
import { startGroup, stopGroup } from '../../src/simulator/replication.js';
import { Refusal } from '../../src/simulator/codes.js';
import { isLive, write } from './container.js';
import { Violation } from './ledger.js';
import type { Scene } from './scene.js';
import type { Happening } from './steps.js';

type Of<D extends Happening['do']> = Extract<Happening, { do: D }>;

/** Answers false when there is nothing to be done, as things are. */
export async function happen(scene: Scene, what: Exclude<Happening, { do: 'settle' }>): Promise<boolean> {
  switch (what.do) {
    case 'write':
      return writeLine(scene, what);
    case 'operator':
      return operate(scene, what);
    case 'daemon':
      return befall(scene, what);
    case 'power':
      return switchPower(scene, what);
    case 'link':
      return switchLink(scene, what.up);
    case 'etcd':
      break;
  }
  return switchEtcd(scene, what.on);
}

/** Nothing changes on the arrays meanwhile, so it is known which copies have the line. */
async function writeLine({ world, ledger, nextLine }: Scene, { node, volume: name }: Of<'write'>): Promise<boolean> {
  const volume = ledger.volume(name);
  const container = volume && ledger.containersOf(volume, node).at(-1);
  if (volume === undefined || container === undefined) return false;
  await world.pair.exclusive(async () => {
    const line = nextLine(container.id);
    const live = await isLive(container);
    try {
      await write(container, line);
    } catch (error) {
      // A node that was robbed may have unmounted it meanwhile.
      if (!live || !(await isLive(container))) return;
      throw new Violation(`${container.id} on ${node} cannot write to ${name}: ${String(error)}`);
    }
    if (live) volume.copies[container.side].push(line);
    ledger.observe();
  });
  return true;
}

async function operate({ world, ledger }: Scene, { action, group: name }: Of<'operator'>): Promise<boolean> {
  const { pair } = world;
  const [first, second] = pair.arrays;
  return pair.exclusive(async () => {
    const halves = ledger.halves(name);
    if (halves === undefined) return false;
    const there = halves.secondary.name;
    const isNatural = halves.secondary.role === 'secondary' && halves.primary.role === 'primary';
    if (isNatural ? !second.powered && !first.powered : !pair.connected) return false;
    ledger.disturbances += 1;
    try {
      if (action === 'stop') await stopGroup(pair, first, name);
      else if (action === 'start') await startGroup(pair, first, { name, skipInitialSync: false });
      else if (action === 'recover') await recover(pair, second, { name: there });
      else if (action === 'restore') await restore(pair, second, { name: there });
      else {
        if (!second.powered) return false;
        await stopGroup(pair, second, there);
        failover(second, { name: there });
      }
      return true;
    } catch (error) {
      // As things are, the array does not do that; the operator is told so.
      if (error instanceof Refusal) return false;
      throw error;
    }
  });
}

async function befall(scene: Scene, { action, node }: Of<'daemon'>): Promise<boolean> {
  const daemon = scene.world.daemons[node];
  const state = scene.daemons[node];
  const fits = { kill: state !== 'dead', end: state === 'up', start: state === 'dead', pause: state === 'up' };
  if (action === 'resume' ? state !== 'paused' : !fits[action]) return false;
  if (action !== 'start') scene.unsettled = true;
  switch (action) {
    case 'kill':
      scene.daemons[node] = 'dead';
      await daemon.kill();
      break;
    case 'end':
      scene.daemons[node] = 'dead';
      await daemon.stop();
      break;
    case 'start':
      await daemon.start();
      scene.daemons[node] = 'up';
      break;
    case 'pause':
      scene.daemons[node] = 'paused';
      daemon.pause();
      return true;
    case 'resume':
      daemon.resume();
      scene.daemons[node] = 'up';
      break;
  }
  return true;
}

async function switchPower(scene: Scene, { side, on }: Of<'power'>): Promise<boolean> {
  const { pair } = scene.world;
  const array = pair.arrays[side === 'primary' ? 0 : 1];
  if (array.powered === on) return false;
  scene.unsettled = true;
  scene.ledger.disturbances += 1;
  await pair.exclusive(async () => setPower(pair, array, on));
  return true;
}

async function switchLink(scene: Scene, up: boolean): Promise<boolean> {
  const { pair } = scene.world;
  if (pair.linkUp === up) return false;
  scene.unsettled = true;
  scene.ledger.disturbances += 1;
  await pair.exclusive(async () => setLink(pair, up));
  return true;
}

async function switchEtcd(scene: Scene, on: boolean): Promise<boolean> {
  if (scene.etcdRuns === on) return false;
  scene.unsettled = true;
  scene.etcdRuns = on;
  if (on) scene.world.etcd.resume();
  else scene.world.etcd.pause();
  return Promise.resolve(true);
}
