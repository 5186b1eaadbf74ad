import { isLive, type Container } from './container.js';
import type { Ledger, LedgerVolume } from './ledger.js';
import type { NodeName, Verb } from './steps.js';

/** What a verb has to answer while nothing is in trouble. */
export type Expectation = 'success' | 'refusal' | 'either';

export async function expectationOf(ledger: Ledger, verb: Verb): Promise<Expectation> {
  const volume = ledger.volume(verb.volume);
  if (verb.do === 'unmount') return 'success';
  if (verb.do === 'create') return volume === undefined && !isFailedOver(ledger, verb.group) ? 'success' : 'either';
  if (volume === undefined) return 'either';
  return verb.do === 'mount' ? expectMount(ledger, volume, verb.node) : expectRemove(ledger, volume, verb.node);
}

/**
 * Why the verb may not succeed, whatever is in trouble; undefined if it may.
 *
 * @param formatted what the copies were when the verb was sent, if nobody else has formatted them since
 */
export async function forbids(
  ledger: Ledger,
  verb: Verb,
  formatted?: LedgerVolume['formatted'],
): Promise<string | undefined> {
  const volume = ledger.volume(verb.volume);
  if (verb.do === 'create' && volume === undefined && isFailedOver(ledger, verb.group)) {
    return `rule 37: group ${verb.group} is failed over`;
  }
  if (volume === undefined || verb.do === 'create' || verb.do === 'unmount') return undefined;
  if (verb.do === 'mount') {
    const copies = Object.values(formatted ?? volume.formatted);
    const isNew = volume.existence === 'present' && copies.every((each) => each === 'no');
    return isNew && isFailedOver(ledger, volume.group) && !ledger.mayGoOnAlone(volume)
      ? 'rule 18: it was never formatted, and its group is failed over'
      : undefined;
  }
  if (volume.existence === 'maybe') return undefined;
  if (isFailedOver(ledger, volume.group)) return 'rule 32: its group is failed over';
  for (const container of ledger.containersOf(volume)) {
    if (isUser(container, verb.node) && (await isLive(container)))
      return `${container.id} on ${container.node} uses it`;
  }
  return undefined;
}

/** For a Remove on that node: what the kernel does not see in use there is detached, whoever is on record. */
const isUser = ({ robbed, file, node }: Container, onNode: NodeName): boolean =>
  !robbed && (file !== undefined || node !== onNode);

export const isFailedOver = (ledger: Ledger, group: string | undefined): boolean =>
  ledger.activeSide({ group }) === 'secondary';

async function expectMount(ledger: Ledger, volume: LedgerVolume, node: NodeName): Promise<Expectation> {
  const side = ledger.activeSide(volume);
  if (volume.existence !== 'present' || volume.unsure) return 'either';
  const others = volume.group === undefined ? [] : ledger.members(volume.group).filter((each) => each !== volume);
  for (const other of others) {
    if (other.unsure) return 'either';
    const staleUse = ledger.containersOf(other).some((each) => !each.robbed && each.side !== side);
    if (staleUse) return 'refusal';
  }
  const here = ledger.containersOf(volume, node);
  if (here.some(({ robbed, file }) => robbed && file !== undefined)) return 'refusal';
  const current = here.filter((each) => !each.robbed);
  if (current.some((each) => each.side !== side)) return 'refusal';
  for (const each of current) if (!(await isLive(each))) return 'refusal';
  return expectRoles(ledger, volume);
}

/** Row 1 and rule 18 in a world where everybody answers. */
function expectRoles(ledger: Ledger, volume: LedgerVolume): Expectation {
  const { group, formatted } = volume;
  const isNew = Object.values(formatted).every((each) => each === 'no');
  // A first mount that was cut short, or whose copy the operator gave up.
  if (formatted[ledger.activeSide(volume)] !== 'yes' && !isNew) return 'either';
  if (group === undefined) return 'success';
  if (isFailedOver(ledger, group)) return isNew ? 'refusal' : 'success';
  const lastActive = ledger.lastActive.get(group);
  if (lastActive === undefined || lastActive === 'primary') return 'success';
  if (ledger.members(group).every((each) => ledger.isReplicated(each))) return 'success';
  return lastActive === 'unknown' ? 'either' : 'refusal';
}

async function expectRemove(ledger: Ledger, volume: LedgerVolume, node: NodeName): Promise<Expectation> {
  if (volume.existence !== 'present' || volume.unsure) return 'either';
  const containers = ledger.containersOf(volume);
  if (containers.some((each) => isUser(each, node))) return 'refusal';
  if (containers.length > 0 || isFailedOver(ledger, volume.group)) return 'either';
  return expectRoles(ledger, volume) === 'success' ? 'success' : 'either';
}
