import { expectAsBefore, heal } from './heal.js';
import { happen } from './happenings.js';
import { openScene, type Scene } from './scene.js';
import { settle } from './settle.js';
import { isVerb, type Happening, type Step, type Verb } from './steps.js';
import { finishCalls, perform } from './verbs.js';
import { isLive } from './container.js';
import { Violation } from './ledger.js';
import type { World } from './world.js';

export interface HistoryReport {
  /** What is wrong, and after which step (its index; the number of steps at the end); undefined when all is well. */
  failure: { what: string; after: number } | undefined;
  /** Steps that did something, and verbs among them that were asked while nothing was in trouble. */
  done: number;
  skipped: number;
  calm: number;
  /** Calm verbs for which the machine was too busy. */
  starved: number;
}

/** Plays the steps in the world, brings everything home, and looks whether anything is lost, wrong or left. */
export async function playHistory(world: World, steps: readonly Step[], suffix: string): Promise<HistoryReport> {
  const before = await world.outline();
  const scene = openScene(world);
  const report: HistoryReport = { failure: undefined, done: 0, skipped: 0, calm: 0, starved: 0 };
  let after = 0;
  try {
    for (const step of steps) {
      const isCalm = !scene.unsettled && step.meanwhile === undefined && isVerb(step.act);
      const didSomething = await play(scene, renamed(step, suffix));
      report[didSomething ? 'done' : 'skipped'] += 1;
      if (didSomething && isCalm) report.calm += 1;
      await expectOneWriter(scene);
      after += 1;
    }
    await heal(scene);
    await expectAsBefore(scene, before);
  } catch (error) {
    const what = error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error);
    report.failure = { what, after };
    for (const { file } of scene.ledger.containers) await file?.close().catch(() => undefined);
  }
  report.starved = scene.starved;
  return report;
}

async function play(scene: Scene, { act, meanwhile }: Step): Promise<boolean> {
  if (isVerb(act)) return perform(scene, act, meanwhile);
  if (act.do === 'settle') return settle(scene);
  const didSomething = await happen(scene, act);
  if (act.do === 'daemon') await finishCalls(scene);
  return didSomething;
}

/** Never two nodes at a time whose containers reach an array, whatever is in trouble. */
async function expectOneWriter({ ledger, world }: Scene): Promise<void> {
  await world.pair.exclusive(async () => {
    const writers = new Map<string, string>();
    for (const container of ledger.containers) {
      if (!(await isLive(container))) continue;
      const { volume, node, side, id } = container;
      const known = writers.get(volume.name) ?? node;
      if (known !== node) throw new Violation(`two nodes can write to ${volume.name}; one is ${node}, ${id}, ${side}`);
      writers.set(volume.name, node);
    }
  });
}

/** Names that no other history in the same world has. */
function renamed(step: Step, suffix: string): Step {
  const act = renamedAct(step.act, suffix);
  const { meanwhile } = step;
  if (meanwhile === undefined) return { act };
  return {
    act,
    meanwhile: 'what' in meanwhile ? { ...meanwhile, what: renamedAct(meanwhile.what, suffix) } : meanwhile,
  };
}

function renamedAct<T extends Verb | Happening>(act: T, suffix: string): T {
  const name = (plain: string | undefined) => (plain === undefined ? undefined : `${plain}${suffix}`);
  return {
    ...act,
    ...('volume' in act ? { volume: name(act.volume) } : {}),
    ...('group' in act ? { group: name(act.group) } : {}),
  };
}
