import type { Side } from '../../src/domain/replication.js';
import { Dice, type Weighted } from './dice.js';
import { Guess, type GuessedVolume } from './guess.js';
import { isVerb, NODES, type Happening, type Meanwhile, type NodeName, type Step, type Verb } from './steps.js';

const VOLUMES = ['a', 'b', 'c'];
const GROUPS = ['g', 'h'];
/** So much may be broken at a time; more of it would leave nothing that works. */
const MOST_TROUBLES = 2;
/** A verb in whose middle something happens, of all verbs. */
const MEANWHILE = 0.25;
/** A Mount of a new volume makes about that many outward calls. */
const MOST_CALLS = 45;
const LONGEST_MS = 400;

type Choice = Weighted<Verb | Happening>;

/** The history of that seed: always the same steps, whatever comes of them. */
export function drawHistory(seed: number, length: number): Step[] {
  const dice = new Dice(seed);
  const guess = new Guess();
  const steps: Step[] = [];
  while (steps.length < length) {
    const act = dice.choose(choices(guess, dice));
    const meanwhile = isVerb(act) && dice.happens(MEANWHILE) ? drawMeanwhile(guess, dice, act) : undefined;
    guess.after(act);
    if (meanwhile !== undefined) note(guess, act, meanwhile);
    steps.push({ act, ...(meanwhile === undefined ? {} : { meanwhile }) });
  }
  return steps;
}

function note(guess: Guess, act: Verb | Happening, meanwhile: Meanwhile): void {
  guess.unsettled = true;
  if ('what' in meanwhile) guess.after(meanwhile.what);
  else if (isVerb(act)) {
    const action = meanwhile.signal === 'SIGKILL' ? 'kill' : 'pause';
    guess.after({ do: 'daemon', action, node: act.node });
  }
}

function choices(guess: Guess, dice: Dice): Choice[] {
  const up = NODES.filter((node) => guess.daemons[node] === 'up');
  return [
    ...up.flatMap((node) => verbChoices(guess, dice, node)),
    ...writeChoices(guess),
    ...operatorChoices(guess),
    ...repairChoices(guess),
    ...(guess.troubles < MOST_TROUBLES ? troubleChoices(guess) : []),
    ...(guess.troubles === 0 && guess.unsettled ? [{ weight: 60, what: { do: 'settle' as const } }] : []),
  ];
}

function verbChoices(guess: Guess, dice: Dice, node: NodeName): Choice[] {
  const found: Choice[] = [];
  for (const name of VOLUMES) {
    const volume = guess.volumes.get(name);
    if (volume === undefined) found.push({ weight: createWeight(guess), what: drawCreate(dice, name, node) });
    else found.push(...volumeChoices(guess, dice, { node, name, volume }));
  }
  return found;
}

function createWeight(guess: Guess): number {
  if (!guess.etcdRuns || !guess.connected) return 0.3;
  return guess.volumes.size === 0 ? 30 : 4;
}

function drawCreate(dice: Dice, volume: string, node: NodeName): Verb {
  const group = dice.happens(0.15) ? undefined : GROUPS[dice.below(GROUPS.length)];
  return { do: 'create', node, volume, group };
}

function volumeChoices(
  guess: Guess,
  dice: Dice,
  { node, name, volume }: { node: NodeName; name: string; volume: GuessedVolume },
): Choice[] {
  const here = volume.mounts.filter((each) => each.node === node);
  const isElsewhere = volume.mounts.some((each) => each.node !== node && !each.robbed);
  const isServed = guess.power[guess.activeSide(volume)] && guess.etcdRuns;
  const mount = { do: 'mount' as const, node, volume: name, id: guess.nextId(), holds: dice.happens(0.5) };
  const mountWeight = here.length > 0 ? 1 : isElsewhere ? 4 : 9;
  return [
    { weight: isServed ? mountWeight : 0.7, what: mount },
    ...here.map(({ id, robbed }) => ({
      weight: guess.etcdRuns ? (robbed ? 5 : 3) : 2,
      what: { do: 'unmount' as const, node, volume: name, id },
    })),
    { weight: volume.mounts.length > 0 ? 0.2 : 2, what: { do: 'remove', node, volume: name } },
  ];
}

function writeChoices(guess: Guess): Choice[] {
  const places = new Map<string, Choice>();
  for (const [volume, { mounts }] of guess.volumes) {
    for (const { node, robbed } of mounts) {
      const weight = robbed ? 3 : 6;
      places.set(`${volume} ${node}`, { weight, what: { do: 'write', node, volume } });
    }
  }
  return [...places.values()];
}

function operatorChoices(guess: Guess): Choice[] {
  return [...guess.groups].flatMap(([group, { roles, started }]) => {
    const choice = (weight: number, action: Extract<Happening, { do: 'operator' }>['action']): Choice => ({
      weight,
      what: { do: 'operator', action, group },
    });
    if (roles === 'natural') {
      const failover = guess.power.secondary ? [choice(guess.power.primary ? 2 : 8, 'failover')] : [];
      const other = started ? choice(0.6, 'stop') : choice(guess.connected ? 3 : 0, 'start');
      return [...failover, other];
    }
    if (!guess.connected) return [];
    return roles === 'failed over' ? [choice(5, 'recover'), choice(2, 'restore')] : [choice(6, 'restore')];
  });
}

function repairChoices(guess: Guess): Choice[] {
  const found: Choice[] = [];
  for (const node of NODES) {
    if (guess.daemons[node] === 'dead') found.push({ weight: 8, what: { do: 'daemon', action: 'start', node } });
    if (guess.daemons[node] === 'paused') {
      found.push({ weight: 6, what: { do: 'daemon', action: 'resume', node } });
      found.push({ weight: 1, what: { do: 'daemon', action: 'kill', node } });
    }
  }
  for (const side of ['primary', 'secondary'] as const) {
    if (!guess.power[side]) found.push({ weight: 7, what: { do: 'power', side, on: true } });
  }
  if (!guess.linkUp) found.push({ weight: 7, what: { do: 'link', up: true } });
  if (!guess.etcdRuns) found.push({ weight: 25, what: { do: 'etcd', on: true } });
  return found;
}

function troubleChoices(guess: Guess): Choice[] {
  const found: Choice[] = [];
  for (const node of NODES) {
    if (guess.daemons[node] !== 'up') continue;
    found.push({ weight: 0.5, what: { do: 'daemon', action: 'kill', node } });
    found.push({ weight: 0.3, what: { do: 'daemon', action: 'end', node } });
    found.push({ weight: 0.5, what: { do: 'daemon', action: 'pause', node } });
  }
  found.push(...outages(guess));
  if (guess.etcdRuns) found.push({ weight: 0.3, what: { do: 'etcd', on: false } });
  return found;
}

function outages(guess: Guess): Choice[] {
  const power = (side: Side, weight: number): Choice => ({ weight, what: { do: 'power', side, on: false } });
  return [
    ...(guess.power.primary ? [power('primary', 0.8)] : []),
    ...(guess.power.secondary ? [power('secondary', 0.5)] : []),
    ...(guess.linkUp ? [{ weight: 0.5, what: { do: 'link' as const, up: false } }] : []),
  ];
}

function drawMeanwhile(guess: Guess, dice: Dice, act: Verb): Meanwhile | undefined {
  const mayBreak = guess.troubles < MOST_TROUBLES;
  if (mayBreak && dice.happens(0.35)) {
    const when = dice.happens(0.5) ? 'before' : 'after';
    const signal = dice.happens(0.6) ? 'SIGKILL' : 'SIGSTOP';
    return { call: 1 + dice.below(MOST_CALLS), when, signal };
  }
  const found: Choice[] = [...collisions(guess, dice, act), ...(mayBreak ? outages(guess) : [])];
  if (mayBreak) found.push({ weight: 1, what: { do: 'daemon', action: 'pause', node: act.node } });
  if (found.length === 0) return undefined;
  return { afterMs: dice.below(LONGEST_MS), what: dice.choose(found) };
}

/** What others do with the same volume or its group. */
function collisions(guess: Guess, dice: Dice, act: Verb): Choice[] {
  const found: Choice[] = [];
  const volume = guess.volumes.get(act.volume);
  for (const node of NODES) {
    if (guess.daemons[node] !== 'up' || act.do === 'remove') continue;
    if (act.do === 'create') found.push({ weight: 2, what: { ...act, node } });
    else {
      const id = guess.nextId();
      found.push({ weight: 2, what: { do: 'mount', node, volume: act.volume, id, holds: dice.happens(0.5) } });
      found.push({ weight: 0.5, what: { do: 'remove', node, volume: act.volume } });
    }
  }
  for (const { node } of volume?.mounts ?? [])
    found.push({ weight: 2, what: { do: 'write', node, volume: act.volume } });
  const group = volume?.group;
  const roles = guess.groups.get(group ?? '')?.roles;
  if (group !== undefined && roles === 'natural' && guess.power.secondary) {
    found.push({ weight: 2, what: { do: 'operator', action: 'failover', group } });
    found.push({ weight: 0.5, what: { do: 'operator', action: 'stop', group } });
  } else if (group !== undefined && roles !== undefined && roles !== 'natural' && guess.connected) {
    found.push({ weight: 2, what: { do: 'operator', action: 'restore', group } });
  }
  return found;
}
