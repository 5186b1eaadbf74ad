import { setTimeout as pause } from 'node:timers/promises';
import { expectationOf, forbids } from './expect.js';
import { happen } from './happenings.js';
import { Violation } from './ledger.js';
import { takeNote } from './note.js';
import type { Answer, Question } from './question.js';
import { isHealthy, type OpenCall, type Scene } from './scene.js';
import { describeStep, isVerb, type Meanwhile, type Verb } from './steps.js';

/** A daemon that is asked has to answer within this, whatever is in trouble. */
const ANSWER_MS = 45_000;
const WATCH_MS = 20;

/** Sends a verb and takes note of its answer, unless its daemon is paused in its middle. False: it makes no sense now. */
export async function perform(scene: Scene, verb: Verb, meanwhile?: Meanwhile): Promise<boolean> {
  if (!isSensible(scene, verb)) return false;
  const strike = meanwhile !== undefined && 'signal' in meanwhile ? meanwhile : undefined;
  const question = await ask(scene, verb, meanwhile);
  const { call } = question;
  if (strike !== undefined) await scene.world.daemons[verb.node].watch(strike);
  scene.openCalls.add(call);
  const noted = sendAndNote(scene, question);
  call.finish = async () => inTime(noted, verb);
  const failure = noted.catch((error: unknown) => error);
  if (meanwhile !== undefined && 'what' in meanwhile) {
    await pause(meanwhile.afterMs);
    const { what } = meanwhile;
    if (isVerb(what)) await perform(scene, what);
    else if (what.do !== 'settle') await happen(scene, what);
  }
  await answerOrSignal(scene, { over: failure, call, strike: strike?.signal });
  return true;
}

/** Verbs that were sent to daemons that were paused are answered, or never will be. */
export async function finishCalls(scene: Scene): Promise<void> {
  for (const call of scene.openCalls) if (scene.daemons[call.node] !== 'paused') await call.finish();
}

async function sendAndNote(scene: Scene, question: Question): Promise<void> {
  const answer = await send(scene, question.verb);
  scene.openCalls.delete(question.call);
  await takeNote(scene, question, answer);
}

async function ask(scene: Scene, verb: Verb, meanwhile: Meanwhile | undefined): Promise<Question> {
  const { ledger } = scene;
  const isCalm = isHealthy(scene) && !scene.unsettled && meanwhile === undefined;
  const call: OpenCall = {
    what: verb.do,
    node: verb.node,
    volume: verb.volume,
    overlapped: false,
    finish: async () => undefined,
  };
  for (const other of scene.openCalls) {
    if (other.volume === verb.volume) other.overlapped = call.overlapped = true;
  }
  if (meanwhile !== undefined) scene.unsettled = true;
  const volume = ledger.volume(verb.volume);
  const question: Question = {
    verb,
    asked: Date.now(),
    expected: isCalm && !call.overlapped ? await expectationOf(ledger, verb) : 'either',
    forbidden: await forbids(ledger, verb),
    disturbances: ledger.disturbances,
    volume,
    formatted: volume === undefined ? undefined : { ...volume.formatted },
    mayDie: meanwhile !== undefined && 'signal' in meanwhile,
    call,
  };
  if (verb.do === 'mount' && volume !== undefined) {
    for (const side of ['primary', 'secondary'] as const) {
      if (volume.formatted[side] === 'no') volume.formatted[side] = 'maybe';
    }
  }
  return question;
}

interface Pending {
  /** Resolved when its answer was taken note of. */
  over: Promise<unknown>;
  call: OpenCall;
  /** What the daemon is to get in the middle of the verb. */
  strike: 'SIGKILL' | 'SIGSTOP' | undefined;
}

async function answerOrSignal(scene: Scene, { over, call, strike }: Pending): Promise<void> {
  const { node } = call;
  const daemon = scene.world.daemons[node];
  const answer = { isThere: false };
  const answered = over.then(() => (answer.isThere = true));
  const until = performance.now() + ANSWER_MS;
  let struck = false;
  while (!answer.isThere && !struck && scene.daemons[node] !== 'paused' && performance.now() < until) {
    await Promise.race([answered, pause(WATCH_MS)]);
    struck = strike !== undefined && (await daemon.struck()) !== undefined;
  }
  if (answer.isThere && strike !== undefined) {
    await daemon.over();
    struck = (await daemon.struck()) !== undefined;
  }
  if (struck && strike === 'SIGSTOP') scene.daemons[node] = 'paused';
  else if (struck) await happen(scene, { do: 'daemon', action: 'kill', node });
  else if (strike !== undefined) await daemon.calls();
  if (scene.daemons[node] !== 'paused') await call.finish();
}

function isSensible({ daemons, ledger }: Scene, verb: Verb): boolean {
  if (daemons[verb.node] !== 'up') return false;
  const volume = ledger.volume(verb.volume);
  if (verb.do === 'create') return volume?.existence !== 'maybe';
  if (volume === undefined) return false;
  if (verb.do !== 'unmount') return true;
  return ledger.containersOf(volume, verb.node).some(({ id }) => id === verb.id);
}

async function send(scene: Scene, verb: Verb): Promise<Answer> {
  const { docker } = scene.world.daemons[verb.node];
  const { volume } = verb;
  try {
    switch (verb.do) {
      case 'create':
        return { err: await docker.create(volume, optionsOf(verb.group)) };
      case 'mount': {
        const answer = await docker.call('VolumeDriver.Mount', { Name: volume, ID: verb.id });
        return { err: answer.Err ?? '', mountpoint: answer.Mountpoint ?? '' };
      }
      case 'unmount':
        await stopContainer(scene, verb);
        return { err: await docker.unmount(volume, verb.id) };
      case 'remove':
        break;
    }
    return { err: await docker.remove(volume) };
  } catch {
    return undefined;
  }
}

function optionsOf(group: string | undefined): Record<string, string> {
  const where = group === undefined ? { backend: 'plain' } : { replicationGroup: group };
  return { size: '1', mountConflictDelay: '1', ...where };
}

async function stopContainer({ ledger }: Scene, { volume, id }: Verb & { do: 'unmount' }): Promise<void> {
  const container = ledger.containers.find((each) => each.volume.name === volume && each.id === id);
  await container?.file?.close();
  if (container !== undefined) container.file = undefined;
}

async function inTime(noted: Promise<void>, verb: Verb): Promise<void> {
  const patience = new AbortController();
  const late = pause(ANSWER_MS, undefined, { signal: patience.signal }).then(() => {
    throw new Violation(`no answer in ${ANSWER_MS} ms: ${describeStep({ act: verb })}`);
  });
  try {
    await Promise.race([noted, late]);
  } finally {
    patience.abort();
    await late.catch(() => undefined);
  }
}
