import { z } from 'zod';
import { acknowledge } from './acknowledge.js';
import { isLive } from './container.js';
import { forbids } from './expect.js';
import { newVolume, Violation } from './ledger.js';
import type { Answer, Question } from './question.js';
import type { Scene } from './scene.js';
import { describeStep, type Verb } from './steps.js';

/** What a daemon logs of it (src/driver/operations.ts). */
const LOCKS_LOST = 'an operation lost its locks';
/** And what a member of a group is told, whose cycle holds the lock (src/driver/group-cycle.ts). */
const GROUP_LOCK_LOST = 'the lock of the remote copy group was lost';
const lockLoss = z.object({ time: z.string(), message: z.string(), volume: z.string() });

/** What the ledger makes of an answer. @throws Violation */
export async function takeNote(scene: Scene, question: Question, answer: Answer): Promise<void> {
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
    if (!scene.unsettled && (await wasStarved(scene, question, answer))) {
      // As if it had been paused.
      scene.unsettled = true;
      scene.starved += 1;
    } else if (expected === 'success') {
      throw new Violation(`nothing is in its way, but ${what}: ${answer?.err ?? 'no answer'}`);
    }
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

/** Leases are short here: on a machine that is busy enough a daemon cannot renew them in time, says so, and gives up. */
async function wasStarved(scene: Scene, { verb, asked }: Question, answer: Answer): Promise<boolean> {
  if (answer?.err.includes(GROUP_LOCK_LOST)) return true;
  const lines = await scene.world.daemons[verb.node].warnings();
  return lines.some((line) => {
    const { time, message, volume } = lockLoss.safeParse(JSON.parse(line)).data ?? {};
    return message === LOCKS_LOST && volume === verb.volume && Date.parse(time ?? '') >= asked;
  });
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
