import type { Backend } from '../backend/backend.js';
import type { ArrayCpg } from '../contracts/array.js';
import { needsAbilities, unmetNeeds } from '../domain/array-needs.js';
import { DriverError } from '../domain/errors.js';
import { cpgsOn, type Place } from '../domain/place.js';
import type { Side } from '../domain/replication.js';
import type { VolumeSpec } from '../domain/volume.js';

/** A volume that is to be made. */
interface Wanted {
  spec: VolumeSpec;
  place: Place;
}

/**
 * Asks the arrays, before anything is made, for what the options name and need: CPGs, volume set, versions and licences.
 * Only what was asked for is looked up. Returns the domain of the primary CPG, where it was. @throws `invalid` with every problem
 */
export async function checkOptions(backend: Backend, wanted: Wanted, signal: AbortSignal): Promise<string | undefined> {
  const { spec } = wanted;
  const namesCpg = spec.cpg !== undefined || spec.snapCpg !== undefined;
  const namesSet = spec.qosName !== undefined || spec.flashCache === true;
  const sides = backend.sides.filter((side) => namesCpg || (namesSet && side === 'primary'));
  const [places, abilities] = await Promise.all([
    Promise.all(sides.map(async (side) => findPlace(backend, side, { place: wanted.place, signal }))),
    needsAbilities(spec)
      ? Promise.all(backend.sides.map(async (side) => askAbilities(backend, side, { spec, signal })))
      : [],
  ]);
  const primary = places.find(({ side }) => side === 'primary');
  const set = spec.qosName === undefined ? [] : await findSetProblems(backend, { name: spec.qosName, primary, signal });
  const problems = [...places.flatMap((place) => place.problems), ...abilities.flat(), ...set];
  if (problems.length === 0) return primary?.domain;
  throw new DriverError('invalid', problems.join('; '), {
    next: 'see what the array has with: showcpg, showvvset, showqos, showlicense, showversion; nothing was changed',
  });
}

/** The CPGs of a volume that is to be on that array alone. @throws `invalid` with every problem */
export async function checkPlace(
  backend: Backend,
  side: Side,
  asked: { place: Place; signal: AbortSignal },
): Promise<void> {
  const { problems } = await findPlace(backend, side, asked);
  if (problems.length === 0) return;
  throw new DriverError('invalid', problems.join('; '), { next: 'see them with: showcpg; nothing was changed' });
}

interface FoundPlace {
  side: Side;
  domain: string | undefined;
  problems: string[];
}

async function findPlace(
  backend: Backend,
  side: Side,
  { place, signal }: { place: Place; signal: AbortSignal },
): Promise<FoundPlace> {
  const array = backend.array(side);
  const { cpg, snapCpg } = cpgsOn(place, side);
  const names = [...new Set([cpg, snapCpg])];
  const found = await Promise.all(names.map(async (name) => array.findCpg(name, signal)));
  const missing = names.filter((_name, at) => found[at] === undefined);
  const problems = missing.map((name) => `${array.label} has no CPG ${name}`);
  const [main, forSnapshots = main] = found;
  if (missing.length === 0 && main?.domain !== forSnapshots?.domain) {
    problems.push(
      `the CPGs ${names.join(' and ')} on ${array.label} are in different domains (${domainsOf(found)}), and a volume is in one`,
    );
  }
  return { side, domain: main?.domain, problems };
}

const domainsOf = (cpgs: (ArrayCpg | undefined)[]): string => cpgs.map((cpg) => cpg?.domain ?? 'none').join(' and ');

/** The copy of a replicated volume is like the volume, only without flash cache. */
async function askAbilities(
  backend: Backend,
  side: Side,
  { spec, signal }: { spec: VolumeSpec; signal: AbortSignal },
): Promise<string[]> {
  const { flashCache: _onPrimary, ...copy } = spec;
  const there = side === 'primary' ? spec : copy;
  if (!needsAbilities(there)) return [];
  const array = backend.array(side);
  return unmetNeeds(there, await array.features(signal)).map((need) => `${array.label}: ${need}`);
}

async function findSetProblems(
  backend: Backend,
  { name, primary, signal }: { name: string; primary: FoundPlace | undefined; signal: AbortSignal },
): Promise<string[]> {
  const array = backend.array('primary');
  const [set, hasRule] = await Promise.all([
    array.volumeSets.findSet(name, signal),
    array.volumeSets.hasQosRule(name, signal),
  ]);
  if (set === undefined) return [`qos-name: ${array.label} has no volume set ${name}`];
  const problems: string[] = [];
  if (!hasRule) problems.push(`qos-name: volume set ${name} on ${array.label} has no QoS rule`);
  if (set.domain !== primary?.domain) {
    problems.push(
      `qos-name: volume set ${name} is in domain ${set.domain ?? 'none'}, and the volume's CPG in ${primary?.domain ?? 'none'}`,
    );
  }
  return problems;
}
