import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Refusal } from './codes.js';
import { isLicenseFor, type License } from './licenses.js';
import type { Cpg, FlashCache, Group, Host, Port, Schedule, Task, Volume, VlunTemplate, VolumeSet } from './model.js';
import type { ArraySeed, PortSeed } from './seed.js';
import { Sessions } from './sessions.js';

/** What one array holds. The rules are in volumes.ts, hosts.ts, vluns.ts, remote-copy.ts and their neighbours. */
export class SimulatedArray {
  readonly name: string;
  readonly systemId: number;
  /** What this array calls its one remote copy target, the other array. */
  readonly targetName: string;
  /** `3.3.1`. */
  readonly os: string;
  readonly licenses: License[];
  readonly domains: string[];
  readonly cpgs: Cpg[];
  readonly ports: Port[];
  readonly volumes = new Map<string, Volume>();
  readonly hosts = new Map<string, Host>();
  readonly groups = new Map<string, Group>();
  readonly volumeSets = new Map<string, VolumeSet>();
  readonly schedules = new Map<string, Schedule>();
  flashCache: FlashCache | undefined;
  readonly tasks = new Map<number, Task>();
  readonly sessions: Sessions;
  /** Policy of the target; with it the peer gets a mirror of every group change (reference 6.1). */
  mirrorConfig = true;
  vluns: VlunTemplate[] = [];
  /** Change it with `setPower` of outage.ts only. */
  powered = true;
  readonly volumesDir: string;
  /** How far its clock is ahead of this machine's; change it with `moveClock` of clock.ts only. */
  clockAheadMs = 0;
  #nextId = 1;
  readonly #powerOffListeners = new Set<() => void>();

  constructor(seed: ArraySeed, setup: { dir: string; os: string; licenses: License[]; sessions: Sessions }) {
    this.name = seed.name;
    this.systemId = seed.systemId;
    this.targetName = seed.targetName;
    this.os = setup.os;
    this.licenses = seed.licenses ?? setup.licenses;
    this.sessions = setup.sessions;
    this.flashCache = seed.flashCache ?? undefined;
    this.domains = seed.domains;
    this.cpgs = seed.cpgs.map((cpg, index) => ({ id: index, name: cpg.name, domain: cpg.domain }));
    this.ports = seed.ports.map((port) => makePort(port, seed.systemId));
    this.volumesDir = join(setup.dir, seed.name, 'volumes');
  }

  /** Numbers of volumes, hosts and groups; never used twice. */
  nextId(): number {
    this.#nextId += 1;
    return this.#nextId;
  }

  /** The array's own clock. */
  now(): Date {
    return new Date(Date.now() + this.clockAheadMs);
  }

  /** @throws Refusal 403 */
  checkLicense(name: string): void {
    if (this.licenses.some((license) => isLicenseFor(name, license, this.now()))) return;
    throw new Refusal('UNLICENSED_FEATURE', `the system is not licensed for ${name}`);
  }

  /** Adds a volume without data; the caller has checked it. */
  addVolume(shape: Omit<Volume, 'id' | 'uuid' | 'wwn' | 'createdAt'>, wwn?: string): Volume {
    const id = this.nextId();
    const volume: Volume = {
      ...shape,
      id,
      uuid: randomUUID(),
      wwn: wwn ?? volumeWwn(id, this.systemId),
      createdAt: this.now(),
    };
    this.volumes.set(volume.name, volume);
    return volume;
  }

  /** The sparse file with the volume's data; its inode changes when hosts are cut off. */
  dataFile(volume: Pick<Volume, 'name'>): string {
    return join(this.volumesDir, volume.name);
  }

  getVolume(name: string): Volume {
    const volume = this.volumes.get(name);
    if (volume === undefined) throw new Refusal('NON_EXISTENT_VOL', `volume ${name} does not exist`);
    return volume;
  }

  getHost(name: string): Host {
    const host = this.hosts.get(name);
    // The Python plugin looks for this very text (reference 2.1).
    if (host === undefined) throw new Refusal('NON_EXISTENT_HOST', `host does not exist: ${name}`);
    return host;
  }

  getCpg(name: string): Cpg {
    const cpg = this.cpgs.find((each) => each.name === name);
    if (cpg === undefined) throw new Refusal('NON_EXISTENT_CPG', `CPG ${name} does not exist`);
    return cpg;
  }

  getVolumeSet(name: string): VolumeSet {
    const set = this.volumeSets.get(name);
    if (set === undefined) throw new Refusal('NON_EXISTENT_SET', `volume set ${name} does not exist`);
    return set;
  }

  getGroup(name: string): Group {
    const group = this.groups.get(name);
    if (group === undefined) {
      throw new Refusal('NON_EXISTENT_RCOPY_GROUP', `group matching ${name} does not exist on the system`);
    }
    return group;
  }

  /** Snapshots directly of it, and what a broken online copy has left on it. */
  snapshotsOf(volume: Volume): Volume[] {
    return [...this.volumes.values()].filter(
      ({ parent, copy }) => parent === volume || (copy?.online === true && copy.of === volume),
    );
  }

  /** The group that the volume is a member of. */
  findGroupOf(volume: Volume): Group | undefined {
    return [...this.groups.values()].find((group) => group.members.some((member) => member.local === volume));
  }

  volumeSetsOf(volume: Volume): VolumeSet[] {
    return [...this.volumeSets.values()].filter((set) => set.members.includes(volume));
  }

  /** For servers: cut every connection now. */
  onPowerOff(listener: () => void): void {
    this.#powerOffListeners.add(listener);
  }

  /** Called by outage.ts. */
  dropConnections(): void {
    for (const listener of this.#powerOffListeners) listener();
  }
}

/** `60002AC`, zeros, volume id, system id: reference 4.3. */
export function volumeWwn(volumeId: number, systemId: number): string {
  const system = systemId.toString(16).toUpperCase().padStart(8, '0');
  return `60002AC${volumeId
    .toString(16)
    .toUpperCase()
    .padStart(25 - system.length, '0')}${system}`;
}

function makePort(seed: PortSeed, systemId: number): Port {
  const { node, slot, cardPort } = seed.pos;
  const suffix = (systemId % 0x1000000).toString(16).padStart(6, '0');
  const identity = `2${node.toString(16)}${slot.toString(16)}${cardPort.toString(16)}0002ac${suffix}`;
  return {
    kind: seed.kind,
    pos: seed.pos,
    ready: seed.ready,
    wwn: seed.kind === 'fc' ? (seed.wwn ?? identity.toUpperCase()) : undefined,
    ip: seed.kind === 'fc' ? undefined : seed.ip,
    iqn: seed.kind === 'iscsi' ? `iqn.2000-05.com.3pardata:${identity}` : undefined,
    zone: seed.kind === 'fc' ? seed.zone : undefined,
    netns: seed.kind === 'iscsi' ? seed.netns : undefined,
    link: seed.kind === 'rcip' ? undefined : seed.link,
  };
}
