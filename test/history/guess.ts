import { otherSide, type Side } from '../../src/domain/replication.js';
import type { Happening, NodeName, Verb } from './steps.js';

export interface GuessedVolume {
  group: string | undefined;
  formatted: boolean;
  mounts: { node: NodeName; id: string; side: Side; robbed: boolean }[];
}

export interface GuessedGroup {
  roles: 'natural' | 'failed over' | 'recovered';
  started: boolean;
}

/**
 * What the world would be like if every step did what it is meant for. A history is drawn from it, so that most of its
 * steps make sense; what really happened is the ledger's business.
 */
export class Guess {
  readonly volumes = new Map<string, GuessedVolume>();
  readonly groups = new Map<string, GuessedGroup>();
  readonly daemons: Record<NodeName, 'up' | 'paused' | 'dead'> = { node1: 'up', node2: 'up' };
  readonly power: Record<Side, boolean> = { primary: true, secondary: true };
  linkUp = true;
  etcdRuns = true;
  /** Something was in trouble since the last time that everything was settled. */
  unsettled = false;
  #ids = 0;

  nextId(): string {
    this.#ids += 1;
    return `m${this.#ids}`;
  }

  get troubles(): number {
    const broken = [
      this.daemons.node1 !== 'up',
      this.daemons.node2 !== 'up',
      !this.power.primary,
      !this.power.secondary,
      !this.linkUp,
      !this.etcdRuns,
    ];
    return broken.filter(Boolean).length;
  }

  /** Whether the arrays replicate to each other. */
  get connected(): boolean {
    return this.linkUp && this.power.primary && this.power.secondary;
  }

  activeSide(volume: GuessedVolume): Side {
    const roles = this.groups.get(volume.group ?? '')?.roles ?? 'natural';
    return roles === 'natural' ? 'primary' : 'secondary';
  }

  after(act: Verb | Happening): void {
    switch (act.do) {
      case 'create':
        this.volumes.set(act.volume, { group: act.group, formatted: false, mounts: [] });
        if (act.group !== undefined && !this.groups.has(act.group)) {
          this.groups.set(act.group, { roles: 'natural', started: true });
        }
        return;
      case 'mount':
        return this.#mounted(act);
      case 'unmount':
        return this.#unmounted(act);
      case 'remove':
        return this.#removed(act.volume);
      case 'operator':
        return this.#operated(act);
      case 'write':
        return;
      case 'settle':
        this.unsettled = false;
        return;
      case 'daemon':
      case 'power':
      case 'link':
      case 'etcd':
        this.unsettled = true;
        return this.#disturbed(act);
    }
  }

  #mounted({ volume: name, node, id }: Extract<Verb, { do: 'mount' }>): void {
    const volume = this.volumes.get(name);
    if (volume === undefined) return;
    for (const mount of volume.mounts) if (mount.node !== node) mount.robbed = true;
    volume.mounts.push({ node, id, side: this.activeSide(volume), robbed: false });
    volume.formatted = true;
  }

  #unmounted({ volume: name, id }: Extract<Verb, { do: 'unmount' }>): void {
    const volume = this.volumes.get(name);
    if (volume !== undefined) volume.mounts = volume.mounts.filter((each) => each.id !== id);
  }

  #removed(name: string): void {
    const group = this.volumes.get(name)?.group;
    this.volumes.delete(name);
    const isLeft = [...this.volumes.values()].some((each) => each.group === group);
    if (group !== undefined && !isLeft) this.groups.delete(group);
  }

  #operated({ action, group: name }: Extract<Happening, { do: 'operator' }>): void {
    const group = this.groups.get(name);
    if (group === undefined) return;
    if (action === 'stop' || action === 'failover') group.started = false;
    if (action === 'start' || action === 'recover' || action === 'restore') group.started = true;
    if (action === 'failover') group.roles = 'failed over';
    if (action === 'recover') group.roles = 'recovered';
    if (action === 'restore') group.roles = 'natural';
  }

  #disturbed(act: Extract<Happening, { do: 'daemon' | 'power' | 'link' | 'etcd' }>): void {
    switch (act.do) {
      case 'daemon':
        if (act.action === 'pause') this.daemons[act.node] = 'paused';
        else this.daemons[act.node] = act.action === 'start' || act.action === 'resume' ? 'up' : 'dead';
        return;
      case 'etcd':
        this.etcdRuns = act.on;
        return;
      case 'power':
        this.power[act.side] = act.on;
        if (act.on && this.power[otherSide(act.side)]) this.#reconnected(act.side);
        break;
      case 'link':
        this.linkUp = act.up;
        break;
    }
    for (const group of this.groups.values()) {
      // Started groups stop, and start again by themselves, unless somebody has taken over meanwhile.
      if (group.roles !== 'failed over') group.started = this.connected;
    }
  }

  /** An array that comes back after a failover turns into the secondary one. */
  #reconnected(side: Side): void {
    if (side !== 'primary' || !this.linkUp) return;
    for (const group of this.groups.values()) if (group.roles === 'failed over') group.started = false;
  }
}
