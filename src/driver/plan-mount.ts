import { randomUUID } from 'node:crypto';
import type { Backend } from '../backend/backend.js';
import { proveActiveSide, type ActiveSideRequest, type ProvenSide } from '../backend/observe.js';
import { hasWitness, isPaired, whyUnpaired } from '../backend/paired.js';
import type { Write } from '../contracts/store.js';
import { exportSides, type Attachment, type BlockDevice } from '../domain/attachment.js';
import { isFailedOver } from '../domain/active-side.js';
import { DriverError } from '../domain/errors.js';
import type { Initiators, Target } from '../contracts/array.js';
import type { Override } from '../domain/override.js';
import { otherSide, type Group, type Side } from '../domain/replication.js';
import { homeSide, type FilesystemRecord, type Volume } from '../domain/volume.js';
import { within } from '../domain/signals.js';
import { together } from '../domain/together.js';
import { factsOf, planOf, type Operation } from '../saga/operation.js';
import type { Step } from '../saga/saga.js';
import {
  lacksData,
  refuseForeignExport,
  refuseMissingData,
  refuseOtherSideInUse,
  refuseUnprovenTakeOver,
} from './mount-refusals.js';
import { refuseOwnExports } from './own-exports.js';

/** The array that is not active may be dead; it must not use up the time of the one that is. */
const ASK_TIMEOUT_MS = 8_000;

/** Everything that a Mount has decided before its first effect. */
export interface MountPlan {
  volume: Volume;
  /** dockerd's id of this mount, and the life of dockerd that it comes from. */
  mountId: { id: string; life: string };
  side: Side;
  /** Both arrays hold the same data and show it under one WWN: both export it (peer persistence). */
  paired: boolean;
  /** The group is failed over, or an override went past the other array: what that one has must not be mixed in (rule 10). */
  isOtherStale: boolean;
  /** What this host is called if the array does not know its initiators yet. */
  hostName: string;
  /** What the arrays called it when the plan was made, as far as they knew it and said so. */
  foundHosts?: Partial<Record<Side, string>>;
  /** Without CHAP: a plan goes on record. */
  initiators: Omit<Initiators, 'chap'>;
  mountpoint: string;
  /** Hosts that the volume is exported to already, on the active array. */
  exportedTo: string[];
  /** This host's export on the other array, left over from before a failover. */
  leftOver: string[];
  /** The node that holds the volume and is to lose it. */
  takeOver?: TakeOver;
  generation: number;
  /** The group as it is on record now; what is proven again is judged by it. */
  knownGroup?: Group;
  /** The same with `lastActive` and epoch as they are when this mount is done. */
  group?: Group;
  /** The side that an operator's override named when the plan was made; what is proven again is judged by it, too. */
  override?: Side;
  warning?: string;
}

/** Where one array exports the volume. */
export interface ExportFacts {
  host?: string;
  lun?: number;
  targets?: Target[];
}

/** What the steps find out. */
export interface MountFacts extends ExportFacts {
  /** Of a pair: the other array's export. */
  peer?: ExportFacts;
  /** The group with the side that was active when its roles were read again, which a switchover may have moved. */
  group?: Group;
  device?: BlockDevice;
  filesystem?: FilesystemRecord;
  /** It has the size of the device. */
  isFilled?: true;
}

export type MountStep = Step<MountPlan, MountFacts, Write>;

/** Another node's exports, which all have to be gone before this node gets its own (rule 25). */
export interface TakeOver {
  nodeName: string;
  /** Its host entries, and those of the nodes that it was about to rob itself. */
  hosts: string[];
  /** The arrays that answered: there the exports are removed, and seen gone. */
  sides: Side[];
  /**
   * What is removed once more by a later round of this node: what a silent array, proven not to be the active one, keeps until
   * it is back, and what an array makes late for the old node (rule 39).
   */
  later: { id: string; side: Side; host: string }[];
}

export interface MountRequest {
  volume: Volume;
  group: Group | undefined;
  mountId: { id: string; life: string };
  /** What this host is called on an array that does not know its initiators yet. */
  hostName: string;
  /** All names that this host is known to have, or to have had, on an array. */
  ownHosts: string[];
  initiators: Initiators;
  mountpoint: string;
  /** Attachments of all members of the group, this volume's old one too. */
  attachments: Attachment[];
  /** Another node's attachment, after it was waited for in vain (rule 25). */
  takeOverFrom?: Attachment;
  /** What that node has left open: the claim takes its place. */
  interrupted?: Operation | undefined;
  /** Ids of the nodes whose daemon is alive. */
  livingNodes: ReadonlySet<string>;
  /** An operator's override of this volume that is in force (rule 8). */
  override: Override | undefined;
}

/** The question to both arrays on behalf of a mount, which alone honours an override. */
export function mountQuestion(
  of: { backend: Backend; volume: Volume; group: Group },
  override: Side | undefined,
): ActiveSideRequest {
  const { arrayName, everMounted, name } = of.volume;
  return { backend: of.backend, group: of.group, arrayName, everMounted, override: { volume: name, side: override } };
}

/** The side to mount from, proven by fresh answers; reads only. @throws `refused`, `unavailable` or `busy` */
export async function planMount(backend: Backend, request: MountRequest, signal: AbortSignal): Promise<MountPlan> {
  const { volume, group, hostName, override } = request;
  const [proven, exports, foundHosts] = await together([
    group === undefined
      ? undefined
      : proveActiveSide(mountQuestion({ backend, volume, group }, override?.side), signal),
    exportsOf(backend, volume, signal),
    findHosts(backend, request, signal),
  ]);
  const side = proven?.side ?? homeSide(volume);
  const robbed = robbedHosts(request);
  const exportedTo = hostsOf(exports, side, backend).filter((host) => !robbed.includes(host));
  await refuseOwnExports(backend, request, exports, signal);
  const paired = proven !== undefined && !proven.overridden && isPaired(backend, volume, proven.observation);
  const isOtherSilent = proven?.observation.failures[otherSide(side)]?.silent === true;
  let leftOver: string[] = [];
  if (proven !== undefined) {
    refuseMissingData(backend, request, proven);
    refuseUnprovenTakeOver(backend, request, proven);
    // A dead array exports nothing that could be seen or removed, and the role table has judged its silence.
    if (!isOtherSilent) {
      refuseOtherSideInUse(backend, request, proven);
      leftOver = hostsOf(exports, otherSide(side), backend).filter((host) => !robbed.includes(host));
      refuseForeignExport(backend, request, { side: otherSide(side), hosts: leftOver });
    }
  }
  const generation = nextGeneration(request);
  const silent = isOtherSilent ? [otherSide(side)] : [];
  return {
    volume: { ...volume, generation },
    mountId: request.mountId,
    side,
    paired,
    isOtherStale: proven !== undefined && !paired && (isFailedOver(proven.row) || proven.overridden),
    hostName,
    foundHosts,
    initiators: { protocol: request.initiators.protocol, names: request.initiators.names },
    mountpoint: request.mountpoint,
    exportedTo,
    leftOver,
    ...(request.takeOverFrom === undefined
      ? {}
      : { takeOver: planTakeOver(backend.sidesOf(volume), request.takeOverFrom, { hosts: robbed, silent }) }),
    generation,
    ...(group === undefined || proven === undefined
      ? {}
      : {
          knownGroup: group,
          group: withActive(group, proven),
          ...warningOf(request, proven, oneArrayOnly(backend, volume, proven)),
        }),
    ...(override === undefined ? {} : { override: override.side }),
  };
}

/** A Mount of the old node that was cut short may have exported to a host of another name, or not have robbed a third node yet. */
function robbedHosts({ takeOverFrom, interrupted }: MountRequest): string[] {
  if (takeOverFrom === undefined) return [];
  const known = exportSides(takeOverFrom).map(({ host }) => host);
  if (interrupted?.kind !== 'mount') return [...new Set(known)];
  const { takeOver } = planOf<MountPlan>(interrupted);
  const { host, peer } = factsOf<MountFacts>(interrupted);
  const found = [host, peer?.host].filter((each) => each !== undefined);
  return [...new Set([...known, ...found, ...(takeOver?.hosts ?? [])])];
}

function planTakeOver(all: Side[], from: Attachment, of: { hosts: string[]; silent: Side[] }): TakeOver {
  const { hosts, silent } = of;
  return {
    nodeName: from.nodeName,
    hosts,
    sides: all.filter((side) => !silent.includes(side)),
    later: all.flatMap((side) => hosts.map((host) => ({ id: randomUUID(), side, host }))),
  };
}

/** Never one that any attachment of the volume ever had, so that a node can tell its own from a later one. */
function nextGeneration({ volume, attachments }: MountRequest): number {
  const previous = attachments.find((each) => each.volume === volume.name);
  return Math.max(volume.generation ?? 0, previous?.generation ?? 0) + 1;
}

/** An epoch that only grows, and changes exactly when the side does (rule 5). */
export function withActive(
  group: Group,
  { side, row, overridden }: Omit<ProvenSide, 'observation' | 'warning'>,
): Group {
  const { passedOver, ...known } = group;
  const skipped = overridden ? (row === 8 ? otherSide(side) : passedOver) : undefined;
  return {
    ...known,
    lastActive: side,
    epoch: group.lastActive === side ? group.epoch : group.epoch + 1,
    ...(skipped === undefined ? {} : { passedOver: skipped }),
  };
}

/** With peer persistence: why it comes from one array only. */
function oneArrayOnly(backend: Backend, volume: Volume, { side, observation }: ProvenSide): string | undefined {
  const reason = hasWitness(backend) ? whyUnpaired(backend, volume, observation) : undefined;
  return (
    reason && `mounted from ${backend.array(side).label} only, until both arrays hold the same data again: ${reason}`
  );
}

const joined = (...texts: (string | undefined)[]): string | undefined =>
  texts.filter((each) => each !== undefined).join('; ') || undefined;

/** What the log says of a mount that is not beyond doubt, with the override that allows it. */
function warningOf(
  { volume, override }: MountRequest,
  proven: ProvenSide,
  alone: string | undefined,
): { warning?: string } {
  const lifted = lacksData(volume, proven.row)
    ? `volume ${volume.name} has never been formatted and its group is failed over; an operator's override lets its blank ${proven.side} copy be taken for new`
    : joined(proven.warning, alone);
  if (lifted === undefined) return {};
  if (override === undefined || !(proven.overridden || lacksData(volume, proven.row))) return { warning: lifted };
  const { reason, madeBy, until } = override;
  return { warning: `${lifted} (override made on ${madeBy} until ${until}: ${reason})` };
}

/** What the export asks for first, asked with everything else of the array that is likely to do it; what it does not say is asked again. */
async function findHosts(
  backend: Backend,
  { volume, group, initiators }: MountRequest,
  signal: AbortSignal,
): Promise<Partial<Record<Side, string>>> {
  const likely = group?.lastActive ?? homeSide(volume);
  const sides = hasWitness(backend) ? backend.sidesOf(volume) : [likely];
  const hosts: Partial<Record<Side, string>> = {};
  await Promise.allSettled(
    sides.map(async (side) => {
      const host = await backend.array(side).findHost(initiators, within(ASK_TIMEOUT_MS, signal));
      if (host !== undefined) hosts[side] = host;
    }),
  );
  return hosts;
}

/** What this host is called there, as far as the plan knows. */
export const plannedHost = ({ foundHosts, hostName }: Pick<MountPlan, 'foundHosts' | 'hostName'>, side: Side): string =>
  foundHosts?.[side] ?? hostName;

/** Hosts that each array exports the volume to, or why it did not say. */
export type Exports = Partial<Record<Side, { hosts: string[] } | { failure: unknown; hosts?: undefined }>>;

async function exportsOf(backend: Backend, volume: Volume, signal: AbortSignal): Promise<Exports> {
  const exports: Exports = {};
  await Promise.all(
    backend.sidesOf(volume).map(async (side) => {
      try {
        const bounded = within(ASK_TIMEOUT_MS, signal);
        const vluns = await backend.array(side).findVluns(volume.arrayName, bounded);
        exports[side] = { hosts: [...new Set(vluns.map((vlun) => vlun.host))] };
      } catch (failure) {
        signal.throwIfAborted();
        exports[side] = { failure };
      }
    }),
  );
  return exports;
}

/** @throws the reason why that array did not say */
function hostsOf(exports: Exports, side: Side, backend: Backend): string[] {
  const found = exports[side];
  if (found?.hosts !== undefined) return found.hosts;
  if (found !== undefined) throw found.failure;
  throw new DriverError('internal', `nobody asked ${backend.array(side).label} for its exports`);
}
