import { setTimeout as pause } from 'node:timers/promises';
import type { OutwardCall, Strike } from '../daemon-process.js';
import { Bystander } from './bystander.js';
import type { Density } from './density.js';
import { expectedEnds } from './expected-ends.js';
import { openLane, type Lane } from './lane.js';
import type { End, Scene } from './scenes.js';
import { difference, outlineOf, settledOutlineOf } from './world.js';

const CONVERGE_MS = 30_000;
/** Of scenes with another node: seconds that leases live, and between rounds of recovery. */
const LEASE_TTL = 3;
/** Each costs the time to converge and a new stage; so many tell enough. */
const MAX_FINDINGS = 4;

/** Something that an interrupted verb left behind, lost or disturbed. */
export interface Finding {
  /** `before #7 array PUT …` */
  point: string;
  what: string[];
}

export interface KillReport {
  points: number;
  ends: Record<End, number>;
  /** Calls of the verb that may be struck, when nobody disturbs it. */
  calls: number;
  findings: Finding[];
}

interface Stage {
  lane: Lane;
  bystander: Bystander;
  ends: Record<End, string[]>;
}

/** Kills the daemon just before and just after the outward calls of the scene's verb. */
export async function killEverywhere(
  scene: Scene,
  { stride, first }: Density,
  onFinding: (finding: Finding) => void,
): Promise<KillReport> {
  let stage = await openStage(scene);
  const report: KillReport = { points: 0, ends: { undone: 0, done: 0, robbed: 0 }, calls: 0, findings: [] };
  try {
    const calls = await rehearse(scene, stage);
    const { only = /./ } = scene;
    const places = calls.flatMap(({ label }, i) => (only.test(label) ? [i + 1] : []));
    report.calls = places.length;
    for (let at = first % places.length; ; at += stride) {
      // It may make a few more than in the rehearsal.
      const call = places[at] ?? (scene.only === undefined ? at + 1 : undefined);
      if (call === undefined) return report;
      let struck = 0;
      for (const when of ['before', 'after'] as const) {
        const outcome = await killAt(scene, stage, { call, when, signal: 'SIGKILL' });
        if (outcome === undefined) continue;
        struck += 1;
        report.points += 1;
        report.ends[outcome.end] += 1;
        if (outcome.what.length === 0) continue;
        const finding = { point: outcome.point, what: outcome.what };
        onFinding(finding);
        report.findings.push(finding);
        if (report.findings.length === MAX_FINDINGS) return report;
        await closeStage(stage);
        stage = await openStage(scene);
        await rehearse(scene, stage);
      }
      if (struck === 0) return report;
    }
  } finally {
    await closeStage(stage);
  }
}

async function openStage(scene: Scene): Promise<Stage> {
  const several = scene.robs === undefined ? ({ nodes: 1 } as const) : ({ nodes: 2, leaseTtl: LEASE_TTL } as const);
  const { store, hasWitness } = scene;
  const lane = await openLane({ store, ...several, ...(hasWitness && { hasWitness }) });
  try {
    const err = await lane.docker.create('calm', scene.calm);
    if (err !== '') throw new Error(err);
    const bystander = await Bystander.start(await lane.docker.mount('calm', 'c'.repeat(64)));
    await scene.prepare(lane);
    return { lane, bystander, ends: { undone: await endOf(scene, lane), done: [], robbed: [] } };
  } catch (error) {
    await lane.close();
    throw error;
  }
}

async function closeStage({ lane, bystander }: Stage): Promise<void> {
  await bystander.end();
  await lane.close();
}

/** The verb without a crash: how many calls it makes, and what the world is like afterwards. */
async function rehearse(scene: Scene, stage: Stage): Promise<OutwardCall[]> {
  const { lane, ends } = stage;
  await lane.daemon.watch();
  await scene.act(lane.docker, lane);
  if (!(await lane.daemon.over())) throw new Error('the verb keeps its locks');
  const calls = await lane.daemon.calls();
  ends.done = await endOf(scene, lane);
  if (!calls.some(({ label }) => scene.decisive.test(label))) {
    throw new Error(`no call is ${scene.decisive}: ${calls.map(({ label }) => label).join('; ')}`);
  }
  if (scene.robs !== undefined) {
    await scene.robs.giveUp(lane);
    ends.robbed = await endOf(scene, lane);
  }
  await backToStart(scene, stage, scene.robs === undefined ? 'done' : 'robbed');
  return calls;
}

/** Another node finishes its part by itself. */
async function endOf({ robs }: Scene, lane: Lane): Promise<string[]> {
  return robs === undefined ? outlineOf(lane) : settledOutlineOf(lane, LEASE_TTL * 1_500);
}

async function backToStart(scene: Scene, stage: Stage, end: End): Promise<void> {
  await scene.restore(stage.lane, end);
  const { left } =
    scene.robs === undefined
      ? { left: difference(await outlineOf(stage.lane), stage.ends.undone) }
      : await converge(stage, ['undone']);
  if (left.length > 0) throw new Error(`not as at the start: ${left.join('; ')}`);
}

interface Outcome {
  point: string;
  end: End;
  what: string[];
}

/** Undefined when the verb was over before that call. */
async function killAt(scene: Scene, stage: Stage, strike: Strike): Promise<Outcome | undefined> {
  const { lane, bystander } = stage;
  const { daemon } = lane;
  await daemon.watch(strike);
  const failed = await scene.act(daemon.docker, lane).then(
    () => false,
    () => true,
  );
  await daemon.over();
  const struck = await daemon.struck();
  if (struck === undefined) {
    await daemon.calls();
    if (failed) await scene.act(lane.docker, lane);
    await backToStart(scene, stage, 'done');
    return undefined;
  }
  await daemon.kill();
  const last = struck.calls[struck.number - 1];
  const point = `${struck.when} #${struck.number} ${last?.label ?? '?'}`;
  const expected: End[] = scene.lookBeforeRepeat === undefined ? expectedEnds(scene, struck) : ['done'];
  const what = await bystander.disturbances(`killed ${point}`);
  await lane.endLeases();
  await daemon.start();
  if (scene.lookBeforeRepeat !== undefined) what.push(...(await repeat(scene, lane)));
  const { end, left } = await converge(stage, expected);
  what.push(...left, ...(await bystander.disturbances(`settled ${point}`)));
  if (what.length > 0) what.push(...(await daemon.warnings()));
  else await backToStart(scene, stage, end).catch((error: unknown) => what.push(`${end}, but then: ${String(error)}`));
  return { point, end, what };
}

/** What is wrong, after the command was typed again. */
async function repeat(scene: Scene, lane: Lane): Promise<string[]> {
  try {
    await scene.lookBeforeRepeat?.(lane);
    await scene.act(lane.docker, lane);
    return [];
  } catch (error) {
    return [`typed again: ${String(error)}`];
  }
}

/** Which end it came to, and what differs from it when the time for it is over. */
async function converge({ lane, ends }: Stage, expected: End[]): Promise<{ end: End; left: string[] }> {
  const until = performance.now() + CONVERGE_MS;
  for (;;) {
    const outline = await outlineOf(lane);
    const seen = expected.map((end) => ({ end, left: difference(outline, ends[end]) }));
    const [best] = seen.toSorted((a, b) => a.left.length - b.left.length);
    if (best === undefined) throw new Error('no end is expected');
    if (best.left.length === 0) return best;
    if (performance.now() > until) return { end: best.end, left: [`expected: ${best.end}`, ...best.left] };
    await pause(100);
  }
}
