import { setTimeout as pause } from 'node:timers/promises';
import { acknowledge } from './acknowledge.js';
import { expectationOf, forbids } from './expect.js';
import { isLive } from './container.js';
import { happen } from './happenings.js';
import { newVolume, Violation } from './ledger.js';
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

async function takeNote(scene: Scene, question: Question, answer: Answer): Promise<void> {
  const { verb, expected, mayDie, call } = question;
  const formatted = call.overlapped ? undefined : question.formatted;
  const what = describeStep({ act: verb });
  if (
    answer === undefined &&
    !mayDie &&
    scene.daemons[verb.node] === 'up' &&
    !scene.world.daemons[verb.node].isRunning
  ) {
    throw new Violation(`the daemon ended by itself: ${what}\n${await scene.world.daemons[verb.node].logTail(3)}`);
  }
  if (answer === undefined || answer.err !== '') {
    if (expected === 'success')
      throw new Violation(`nothing is in its way, but ${what}: ${answer?.err ?? 'no answer'}`);
    if (verb.do === 'remove') await noteDetached(scene, verb);
    noteFailure(scene, question, answer);
    return;
  }
  if (expected === 'refusal') throw new Violation(`it may not succeed: ${what}`);
  const still = question.forbidden === undefined ? undefined : await forbids(scene.ledger, verb, formatted);
  if (still === question.forbidden && still !== undefined && verb.do !== 'create') {
    throw new Violation(`it may never succeed, ${still}: ${what}`);
  }
  await acknowledge(scene, question, answer.mountpoint ?? '');
}

/** A Remove that is refused in the end has detached before what the kernel did not see in use. */
async function noteDetached({ ledger }: Scene, { volume: name, node }: Verb & { do: 'remove' }): Promise<void> {
  const volume = ledger.volume(name);
  if (volume === undefined) return;
  for (const each of ledger.containersOf(volume, node)) {
    if (each.file !== undefined || (await isLive(each))) continue;
    ledger.forget(each);
    volume.unsure = true;
  }
}

/** What is not known any more after a verb that failed or was never answered. */
function noteFailure({ ledger, unsettled }: Scene, question: Question, answer: Answer): void {
  const { verb, call, formatted } = question;
  const volume = ledger.volume(verb.volume);
  if (answer !== undefined && !unsettled && !call.overlapped) {
    // A refusal in peace has changed nothing.
    if (volume !== undefined && formatted !== undefined) volume.formatted = formatted;
    return;
  }
  switch (verb.do) {
    case 'create':
      if (volume === undefined) ledger.volumes.set(verb.volume, newVolume(verb));
      return;
    case 'mount':
      if (volume === undefined) return;
      volume.unsure = true;
      if (volume.group !== undefined) ledger.lastActive.set(volume.group, 'unknown');
      break;
    case 'unmount':
      if (volume === undefined) return;
      volume.unsure = true;
      for (const each of ledger.containersOf(volume, verb.node)) if (each.id === verb.id) ledger.forget(each);
      break;
    case 'remove':
      if (volume !== undefined) volume.existence = 'maybe';
      return;
  }
  if (answer === undefined) ledger.lostIds.push({ node: verb.node, volume: verb.volume, id: verb.id });
}
