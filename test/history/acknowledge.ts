import { open, readFile } from 'node:fs/promises';
import { otherSide, type Side } from '../../src/domain/replication.js';
import { diaryAt, isLive, lookAt, type Container, type Seen } from './container.js';
import { newVolume, Violation, type LedgerVolume } from './ledger.js';
import { findArrayName, type Scene } from './scene.js';
import { describeStep, type Verb } from './steps.js';
import type { Question } from './question.js';

/** Takes note of a success, and looks whether it is one. @throws Violation */
export async function acknowledge(scene: Scene, question: Question, mountpoint: string): Promise<void> {
  const { verb } = question;
  await scene.world.pair.exclusive(async () => {
    scene.ledger.observe();
    if (verb.do === 'create') created(scene, verb);
    else if (verb.do === 'mount') await mounted(scene, { ...question, verb }, mountpoint);
    else if (verb.do === 'unmount') await unmounted(scene, { ...question, verb });
    else removed(scene, { ...question, verb });
  });
}

function created(scene: Scene, verb: Extract<Verb, { do: 'create' }>): void {
  const { ledger, world } = scene;
  const known = ledger.volume(verb.volume);
  const volume = known === undefined || isAnotherLife(scene, known) ? newVolume(verb) : known;
  volume.existence = 'present';
  volume.arrayName ??= findArrayName(scene, volume);
  ledger.volumes.set(verb.volume, volume);
  if (volume.group !== verb.group) throw violation(verb, `it exists already, in group ${volume.group}`);
  const { arrayName, group } = volume;
  const [first, second] = world.simulator.arrays;
  if (arrayName === undefined) throw violation(verb, 'the primary array does not have it');
  if (group === undefined) return;
  if (!second.volumes.has(arrayName)) throw violation(verb, 'the secondary array does not have it');
  for (const array of [first, second]) {
    const isMember = [...array.groups.values()].some(({ members }) =>
      members.some(({ local }) => local.name === arrayName),
    );
    if (!isMember) throw violation(verb, `${array.name} does not have it in a group`);
  }
}

/** A Remove whose daemon stands still was finished by the other node, which then made a new volume of that name. */
function isAnotherLife(scene: Scene, known: LedgerVolume): boolean {
  const isBeingRemoved = [...scene.openCalls].some(({ what, volume }) => what === 'remove' && volume === known.name);
  const { arrayName } = known;
  if (!isBeingRemoved || arrayName === undefined) return false;
  if (scene.world.simulator.arrays.some(({ volumes }) => volumes.has(arrayName))) return false;
  for (const each of scene.ledger.containersOf(known)) each.robbed = true;
  return true;
}

type RemoveQuestion = Question & { verb: Extract<Verb, { do: 'remove' }> };

function removed({ ledger, world }: Scene, { verb, volume: asked }: RemoveQuestion): void {
  const volume = ledger.volume(verb.volume);
  if (volume === undefined) return;
  const [first] = world.simulator.arrays;
  const isLater = volume !== asked && volume.arrayName !== undefined && first.volumes.has(volume.arrayName);
  if (isLater) return;
  for (const each of ledger.containersOf(volume)) each.robbed = true;
  ledger.volumes.delete(verb.volume);
  for (const array of world.simulator.arrays) {
    if (volume.arrayName !== undefined && array.volumes.has(volume.arrayName)) {
      throw violation(verb, `${array.name} still has ${volume.arrayName}`);
    }
  }
}

type MountQuestion = Question & { verb: Extract<Verb, { do: 'mount' }> };

async function mounted(scene: Scene, question: MountQuestion, mountpoint: string): Promise<void> {
  const { ledger, world } = scene;
  const { verb, call } = question;
  const volume = ledger.volume(verb.volume);
  if (volume === undefined) throw violation(verb, 'there is no such volume');
  volume.existence = 'present';
  volume.arrayName ??= findArrayName(scene, volume);
  const seen = await lookAt(mountpoint, world.simulator.arrays);
  const { node, id } = verb;
  const isUndisturbed = ledger.disturbances === question.disturbances && !call.overlapped;
  if (seen === undefined) {
    if (isUndisturbed) throw violation(verb, `nothing is mounted at ${mountpoint}`);
    ledger.lostIds.push({ node, volume: volume.name, id });
    volume.unsure = true;
    return;
  }
  const container: Container = { ...seen, volume, node, id, mountpoint, robbed: false, file: undefined };
  ledger.containers.push(container);
  const live = await isLive(container);
  if (!live && isUndisturbed) throw violation(verb, 'what it writes does not reach the array');
  if (live) await checkServed(scene, question, container);
  else if (call.overlapped) volume.unsure = true;
  if (live) volume.formatted[seen.side] = 'yes';
  ledger.observe();
  if (volume.group !== undefined) ledger.attachedFrom(volume.group, seen.side);
  if (volume.group !== undefined && isUndisturbed) ledger.lastActive.set(volume.group, seen.side);
  else if (volume.group !== undefined) ledger.lastActive.set(volume.group, 'unknown');
  if (isUndisturbed) volume.unsure = false;
  await beginDiary(container, verb.holds && live);
}

/** Of a mount that reaches an array: the right copy, with all that was acknowledged, and nobody else's. */
async function checkServed(scene: Scene, question: MountQuestion, container: Container): Promise<void> {
  const { ledger } = scene;
  const { verb, disturbances, call } = question;
  const { volume, side, mountpoint } = container;
  const active = ledger.activeSide(volume);
  const text = await readFile(diaryAt(mountpoint), 'utf8').catch(() => '');
  const lines = text.split('\n').slice(0, -1);
  if (lines.join('\n') !== volume.copies[side].join('\n')) {
    const expected = volume.copies[side];
    throw violation(verb, `the ${side} copy should hold [${expected.join(', ')}], but holds [${lines.join(', ')}]`);
  }
  if (side !== active && ledger.disturbances === disturbances && !ledger.mayGoOnAlone(volume)) {
    throw violation(verb, `it comes from the ${side} array, but the ${active} copy is the good one`);
  }
  for (const other of ledger.containersOf(volume)) {
    if (other.node === container.node) continue;
    if (await isLive(other)) throw violation(verb, `${other.id} on ${other.node} can write to the ${other.side} copy`);
    other.robbed = true;
  }
  if (!call.overlapped) checkExports(scene, verb, container);
}

function checkExports({ world }: Scene, verb: Verb, { volume, side }: Pick<Container, 'volume' | keyof Seen>): void {
  const of = (on: Side): string[] => {
    const array = world.simulator.arrays[on === 'primary' ? 0 : 1];
    const found = array.vluns.filter((each) => each.volume.name === volume.arrayName);
    return array.powered ? [...new Set(found.map(({ host }) => host?.name ?? 'a port'))] : [];
  };
  const here = of(side);
  if (here.join() !== verb.node) throw violation(verb, `the ${side} array exports it to [${here.join(', ')}]`);
  const there = of(otherSide(side));
  if (there.length > 0) throw violation(verb, `the passive copy is exported to ${there.join(', ')}`);
}

async function beginDiary(container: Container, holds: boolean): Promise<void> {
  const file = await open(diaryAt(container.mountpoint), 'a');
  // Where nothing is mounted any more, nothing is left behind either.
  const isThere = (await file.stat()).dev === container.dev;
  if (isThere) await file.sync();
  if (isThere && holds) container.file = file;
  else await file.close();
}

type UnmountQuestion = Question & { verb: Extract<Verb, { do: 'unmount' }> };

async function unmounted(scene: Scene, question: UnmountQuestion): Promise<void> {
  const { ledger, world } = scene;
  const { verb, expected } = question;
  const { node, id } = verb;
  const container = ledger.containers.find(({ volume, ...each }) => volume.name === verb.volume && each.id === id);
  if (container === undefined) return;
  ledger.forget(container);
  const { volume, mountpoint, robbed } = container;
  const isLast = ledger.containersOf(volume, node).length === 0;
  if (!isLast || robbed || expected !== 'success' || volume.unsure) return;
  if ((await lookAt(mountpoint, world.simulator.arrays)) !== undefined) {
    throw violation(verb, `it is still mounted at ${mountpoint}`);
  }
  const exporting = world.simulator.arrays.filter(({ vluns }) =>
    vluns.some((each) => each.volume.name === volume.arrayName),
  );
  if (exporting.length > 0) throw violation(verb, `${exporting.map(({ name }) => name).join(', ')} still exports it`);
}

function violation(verb: Verb, what: string): Violation {
  return new Violation(`${describeStep({ act: verb })}: ${what}`);
}
