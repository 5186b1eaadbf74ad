import { setTimeout as pause } from 'node:timers/promises';
import type { OutwardCall, Strike, Struck } from '../daemon-process.js';
import type { Density } from './density.js';
import { openLane, type Lane } from './lane.js';
import type { RivalScene } from './rival-scenes.js';
import { difference, outlineOf, settledOutlineOf } from './world.js';

/** Seconds that a dead or paused node keeps its locks. */
const LEASE_TTL = 2;
/** By then they are somebody else's to take. */
const LEASE_OVER_MS = LEASE_TTL * 1_000 + 500;
/** Two rounds of recovery. */
const SETTLED_MS = 2 * LEASE_TTL * 1_000;
const PATIENCE_MS = 30_000;
const MAX_FINDINGS = 4;

/** `kill`: node1 dies and is started again when node2 has done its part. `pause`: it stands still meanwhile, and wakes up. */
export type Mode = 'kill' | 'pause';

export interface RivalReport {
  struck: number;
  /** Calls before and after which the verb can be struck. */
  places: number;
  findings: string[];
}

interface Stage {
  lane: Lane;
  disturbances: (line: string) => Promise<string[]>;
  start: string[];
  end: string[];
}

/** Strikes node1 at the calls of its verb, lets node2 go on, and looks what node1 does when it is back. */
export async function strikeWithRival(scene: RivalScene, mode: Mode, density: Density): Promise<RivalReport> {
  let stage = await openStage(scene);
  const report: RivalReport = { struck: 0, places: 0, findings: [] };
  try {
    const calls = await rehearse(scene, stage);
    const places = placesOf(calls, mode);
    report.places = places.length;
    for (const strike of chosen(places, density)) {
      const attempt = async (at: Strike): Promise<string | undefined> =>
        strikeAt(scene, { stage, mode, strike: at }).catch((error: unknown) => String(error));
      // Calls that go out together change places, so that one may be missed; the end of the one before it is not.
      const finding = (await attempt(strike)) ?? (await attempt({ ...strike, when: 'after', call: strike.call - 1 }));
      if (finding !== undefined) report.struck += 1;
      if (finding === undefined || finding === '') continue;
      report.findings.push(`${strike.when} #${strike.call} ${calls[strike.call - 1]?.label ?? '?'}: ${finding}`);
      process.stderr.write(`${scene.title}, ${mode}: ${report.findings.at(-1)}\n`);
      if (report.findings.length === MAX_FINDINGS) return report;
      await stage.lane.close();
      stage = await openStage(scene);
      await rehearse(scene, stage);
    }
    return report;
  } finally {
    await stage.lane.close();
  }
}

/** All places where a strike can tell something. */
function placesOf(calls: OutwardCall[], mode: Mode): Strike[] {
  const signal = mode === 'kill' ? 'SIGKILL' : 'SIGSTOP';
  // Before its claim is on record a verb has begun nothing: after a pause it simply goes on.
  const claim = mode === 'kill' ? 0 : calls.findIndex(({ label }) => /^metadata .*put operation/.test(label));
  return calls.flatMap((_, i) =>
    i < claim ? [] : (['before', 'after'] as const).map((when) => ({ call: i + 1, when, signal }) as const),
  );
}

function chosen(places: Strike[], { stride, first }: Density): Strike[] {
  const only = process.env['CRASH_CALL'];
  if (only !== undefined) return places.filter(({ call }) => String(call) === only);
  const offset = first % Math.min(stride, places.length);
  return places.filter((_, i) => i % stride === offset);
}

async function openStage(scene: RivalScene): Promise<Stage> {
  const lane = await openLane({ store: 'etcd', nodes: 2, leaseTtl: LEASE_TTL });
  try {
    const err = await lane.docker.create('calm', scene.calm);
    if (err !== '') throw new Error(err);
    const calm = await lane.startContainer(await lane.docker.mount('calm', 'c'.repeat(64)));
    await scene.prepare(lane);
    return {
      lane,
      disturbances: async (line) => calm.disturbances(line),
      start: await settledOutlineOf(lane, SETTLED_MS),
      end: [],
    };
  } catch (error) {
    await lane.close();
    throw error;
  }
}

/** Both verbs without a strike: the calls of the first one, and the world after the second. */
async function rehearse(scene: RivalScene, stage: Stage): Promise<OutwardCall[]> {
  const { lane } = stage;
  await lane.daemon.watch();
  await scene.act(lane.docker);
  await lane.daemon.over();
  const calls = await lane.daemon.calls();
  await scene.rival(lane);
  stage.end = await settledOutlineOf(lane, SETTLED_MS);
  await backToStart(scene, stage);
  return calls;
}

/** What is wrong: nothing (`''`) when all is well; undefined when the verb was over before that call. */
async function strikeAt(
  scene: RivalScene,
  at: { stage: Stage; mode: Mode; strike: Strike },
): Promise<string | undefined> {
  const { stage, mode, strike } = at;
  const { lane, disturbances } = stage;
  const { daemon, simulator } = lane;
  const logged = (await daemon.log()).length;
  await daemon.watch(strike);
  const act = scene.act(daemon.docker).then(String, String);
  if (!(await isStruck(lane, act))) {
    await daemon.calls();
    await scene.rival(lane);
    await backToStart(scene, stage);
    return undefined;
  }
  if (mode === 'kill') await daemon.kill();
  else await pause(LEASE_OVER_MS);
  await scene.rival(lane);
  simulator.pair.log.clear();
  if (mode === 'kill') await daemon.start();
  else daemon.resume();
  const answer = await act;
  const left = await converge(lane, stage.end);
  const struck = await daemon.struck();
  const sent = inFlight(struck);
  const changes = simulator.pair.log
    .list()
    .map(({ method, path }) => `${method} ${path}`)
    .filter((change) => !change.startsWith('GET ') && !change.endsWith('/credentials') && !sent.has(change));
  const wrong = [
    ...left,
    ...changes.map((change) => `a change after node2 had done its part: ${change}`),
    ...(await disturbances(`${strike.when} ${strike.call}`)),
    ...(mode === 'pause' && hasLocks(struck) ? untold(answer + (await daemon.log()).slice(logged)) : []),
  ];
  if (wrong.length > 0) {
    const last = `its last call: ${struck?.calls.at(-1)?.label ?? 'none'}`;
    return [...wrong, last, `its answer: ${answer}`, ...(await daemon.warnings())].join('\n    ');
  }
  await backToStart(scene, stage);
  return '';
}

/** What was handed to the network before the strike is on its way, and nobody's to stop. */
function inFlight(struck: Struck | undefined): Set<string> {
  const begun = (struck?.calls ?? []).filter(({ done }) => !done);
  return new Set(begun.map(({ label }) => label.replace(/^array (\w+) \S+ /, '$1 ')));
}

/** The verb had its locks, and had not begun to give them back. */
function hasLocks(struck: Struck | undefined): boolean {
  const calls = struck?.calls ?? [];
  const isTaken = calls.some(({ label, done }) => done && label.startsWith('metadata put lock/'));
  return isTaken && !calls.some(({ label }) => label === 'metadata lease revoke');
}

/** Rule 24: a node that lost its locks in the middle of a verb says so, in the answer or in the log. */
function untold(said: string): string[] {
  return /fenced|locks are lost/.test(said) ? [] : ['neither the answer nor the log tells that the locks were lost'];
}

/** False when the verb was over before that. */
async function isStruck({ daemon }: Lane, act: Promise<unknown>): Promise<boolean> {
  const over = act.then(async () => daemon.over()).then(() => true);
  for (let isOver = false; ; isOver = await Promise.race([over, pause(20, false)])) {
    if ((await daemon.struck()) !== undefined) return true;
    if (isOver) return false;
  }
}

/** What differs when the time for it is over; the nodes finish by themselves what they do not answer for. */
async function converge(lane: Lane, wanted: string[]): Promise<string[]> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const left = difference(await outlineOf(lane), wanted);
    if (left.length === 0 || performance.now() > until) return left;
    await pause(100);
  }
}

async function backToStart(scene: RivalScene, { lane, start }: Stage): Promise<void> {
  await scene.restore(lane);
  const left = await converge(lane, start);
  if (left.length > 0) throw new Error(`not as at the start: ${left.join('; ')}`);
}
