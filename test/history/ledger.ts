import { otherSide, type Side } from '../../src/domain/replication.js';
import type { SimulatedArray } from '../../src/simulator/array.js';
import type { Group } from '../../src/simulator/model.js';
import type { Container } from './container.js';
import type { NodeName, Verb } from './steps.js';

/** What the plugin did that it must never do, or did not do though nothing was in its way. */
export class Violation extends Error {}

/** A volume in one of its lives: created again after its removal, it is another one. */
export interface LedgerVolume {
  name: string;
  group: string | undefined;
  /** `maybe`: a Create or Remove had no answer, or failed while something was in trouble. */
  existence: 'present' | 'maybe' | 'absent';
  /** Whether each copy holds a file system; `maybe` from the first Mount on, until that is acknowledged. */
  formatted: Record<Side, 'no' | 'maybe' | 'yes'>;
  /** On the arrays; not known before the first success. */
  arrayName: string | undefined;
  /** Lines that were written and acknowledged, and that each copy has to hold. */
  copies: Record<Side, string[]>;
  /** Who is attached on record is not known: a Mount or Unmount had no answer, or failed. */
  unsure: boolean;
}

export function newVolume({ volume: name, group }: Extract<Verb, { do: 'create' }>): LedgerVolume {
  return {
    name,
    group,
    existence: 'maybe',
    formatted: { primary: 'no', secondary: 'no' },
    arrayName: undefined,
    copies: { primary: [], secondary: [] },
    unsure: false,
  };
}

function copyFrom(side: Side, { copies, formatted }: LedgerVolume): void {
  copies[otherSide(side)] = [...copies[side]];
  formatted[otherSide(side)] = formatted[side];
}

/**
 * What must be true, from what was acknowledged and from what operators and outages did. Its rules for the copies are those
 * of a synchronous group, told apart from the arrays' own way of moving data.
 */
export class Ledger {
  readonly volumes = new Map<string, LedgerVolume>();
  readonly containers: Container[] = [];
  /** Mounts that dockerd never heard of again. */
  readonly lostIds: { node: NodeName; volume: string; id: string }[] = [];
  /** The side that a member of the group was attached from last. */
  readonly lastActive = new Map<string, Side | 'unknown'>();
  /** Failed over groups of which a member was attached from the secondary array since. */
  readonly #actedOn = new Set<string>();
  /** Grows with everything that changes which copy is the good one, or who can reach it. */
  disturbances = 0;
  readonly #arrays: readonly [SimulatedArray, SimulatedArray];
  readonly #active = new Map<string, Side>();

  constructor(arrays: readonly [SimulatedArray, SimulatedArray]) {
    this.#arrays = arrays;
  }

  volume(name: string): LedgerVolume | undefined {
    return this.volumes.get(name);
  }

  members(group: string): LedgerVolume[] {
    return [...this.volumes.values()].filter((each) => each.group === group);
  }

  containersOf(volume: LedgerVolume, node?: NodeName): Container[] {
    return this.containers.filter((each) => each.volume === volume && (node === undefined || each.node === node));
  }

  forget(container: Container): void {
    this.containers.splice(this.containers.indexOf(container), 1);
  }

  /** The side whose copy is the good one: the operator's last word, whatever it cost. */
  activeSide({ group }: Pick<LedgerVolume, 'group'>): Side {
    return group === undefined ? 'primary' : (this.#active.get(group) ?? 'primary');
  }

  /** A member of the group was attached from that side. */
  attachedFrom(group: string, side: Side): void {
    if (side === 'secondary' && this.activeSide({ group }) === side) this.#actedOn.add(group);
  }

  /**
   * Row 6: nobody acted upon the failover, and the array that knows of it is silent. The other one may be mounted from
   * then; what is written there is lost when the group is restored, as the plugin's warning says.
   */
  mayGoOnAlone({ group }: Pick<LedgerVolume, 'group'>): boolean {
    if (group === undefined || this.activeSide({ group }) === 'primary' || this.#arrays[1].powered) return false;
    if (this.#actedOn.has(group) || this.lastActive.get(group) === 'secondary') return false;
    const primary = this.halves(group)?.primary;
    return primary?.role === 'primary' && !primary.roleReversed;
  }

  /** Both halves of a group as the arrays have it. */
  halves(group: string): { primary: Group; secondary: Group } | undefined {
    const primary = this.#arrays[0].groups.get(group);
    const secondary = primary && this.#arrays[1].groups.get(primary.remoteGroupName);
    return primary === undefined || secondary === undefined ? undefined : { primary, secondary };
  }

  /** Called after every change on the arrays. */
  observe(): void {
    for (const group of new Set([...this.volumes.values()].map((each) => each.group))) {
      if (group !== undefined) this.#observeGroup(group);
    }
  }

  /** Whether every write on the active side is on the other one, too, before it is acknowledged. */
  isReplicated({ group, arrayName }: LedgerVolume): boolean {
    const halves = group === undefined ? undefined : this.halves(group);
    if (halves === undefined || halves.primary.role === halves.secondary.role) return false;
    return Object.values(halves).every(
      ({ state, members }: Group) =>
        state === 'started' &&
        members.some(({ local, syncStatus }) => local.name === arrayName && syncStatus === 'synced'),
    );
  }

  #observeGroup(group: string): void {
    const halves = this.halves(group);
    if (halves === undefined) {
      this.#active.delete(group);
      this.#actedOn.delete(group);
      this.lastActive.delete(group);
      return;
    }
    const { primary, secondary } = halves;
    const before = this.#active.get(group) ?? 'primary';
    const after = secondary.role === 'primary' ? 'secondary' : primary.role === 'primary' ? 'primary' : before;
    this.#active.set(group, after);
    if (before !== after) this.disturbances += 1;
    if (after === 'primary') this.#actedOn.delete(group);
    for (const volume of this.members(group)) {
      // The operator brought the group home, which takes the data along.
      if (before === 'secondary' && after === 'primary') copyFrom('secondary', volume);
      if (this.isReplicated(volume)) copyFrom(after, volume);
    }
  }
}
