import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Backend } from '../backend/backend.js';
import type { BackendManager } from '../backend/manager.js';
import { observeGroups } from '../backend/observe-groups.js';
import { findPartner, observeGroup, type GroupObservation } from '../backend/observe.js';
import { newestOf, type StatusPoll } from '../backend/status-poll.js';
import type { MetadataStore } from '../contracts/store.js';
import type { AttachmentOutline } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { SIDES, type GroupReport, type GroupVolume } from '../domain/group-report.js';
import type { Group, Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { VolumeOutline } from '../domain/volume.js';
import { linksAsker, sideOf, type LinksUp } from './group-sides.js';
import { groupKeyOf, groupRecordKey } from './keys.js';
import type { Outline } from './outlines.js';

const EXPORTS_TIMEOUT_MS = 20_000;

export interface ReportParts {
  store: MetadataStore;
  backends: BackendManager;
  /** Id of this node. */
  node: string;
  /** Adds what the daemon remembers. */
  recall?: (report: GroupReport) => GroupReport;
}

/** A group as it is typed: its name on the primary array, and the backend where several have one of that name. */
export interface GroupName {
  name: string;
  backend?: string | undefined;
  /** Also ask which arrays export each volume. */
  exports?: boolean | undefined;
}

/** What the metadata say of a group, or of all of them, read once for all reports. */
interface Known {
  /** By the name of their group. */
  members: ReadonlyMap<string, readonly VolumeOutline[]>;
  attachments: ReadonlyMap<string, AttachmentOutline>;
  alive: ReadonlySet<string>;
}

/** What both arrays said of a group. */
interface Heard {
  /** When they were asked, in ms since 1970: what was asked later is newer, though it may be answered earlier. */
  at: number;
  observation: GroupObservation;
  /** Absent for what was heard a while ago. */
  linksUp?: LinksUp;
}

/** Asks both arrays of the group, and the metadata; changes nothing. @throws `not-found`, `invalid`, or `unavailable` when the metadata cannot be read */
export async function reportGroup(parts: ReportParts, wanted: GroupName, signal: AbortSignal): Promise<GroupReport> {
  const groups = await parts.store.list('group', signal);
  const group = pick(groups, wanted);
  // Another backend on the same arrays may have it on record, too.
  const namesakes = groups.filter(({ name }) => name === group.name);
  const known = await readMembers(parts.store, namesakes, signal);
  const backend = parts.backends.get(group.backend);
  const at = Date.now();
  const observation = await observeGroup(backend, group, signal);
  const heard = { at, observation, linksUp: linksAsker(backend, signal) };
  const fresh = await reportOf(parts, { known, group, heard }, signal);
  const report = parts.recall?.(fresh) ?? fresh;
  return wanted.exports === true ? withExports(parts.backends.get(report.backend), report, signal) : report;
}

async function readMembers(store: MetadataStore, groups: readonly Group[], signal: AbortSignal): Promise<Known> {
  const keys = groups.map(({ backend, name }) => groupRecordKey(backend, name));
  const members = (await Promise.all(keys.map(async (key) => store.listMembers(key, signal)))).flat();
  const wanted = members.map((volume) => ['attachment', volume.name] as const);
  const [attachments, alive] = await Promise.all([store.findAll(wanted, signal), store.livingNodes(signal)]);
  const found = attachments.filter((each) => each !== undefined);
  return {
    members: new Map(groups.map(({ name }) => [name, members])),
    attachments: new Map(found.map((each) => [each.volume, each])),
    alive,
  };
}

async function withExports(backend: Backend, report: GroupReport, signal: AbortSignal): Promise<GroupReport> {
  const bounded = within(EXPORTS_TIMEOUT_MS, signal);
  const isExported = async (side: Side, arrayName: string): Promise<boolean> => {
    if (report.sides[side].view.answer === 'silent') return false;
    return (await backend.array(side).findVluns(arrayName, bounded)).length > 0;
  };
  const volumes = await Promise.all(
    report.volumes.map(async (volume) => {
      const exported = await Promise.all(SIDES.map(async (side) => isExported(side, volume.arrayName)));
      return { ...volume, exportedOn: SIDES.filter((_side, at) => exported[at] === true) };
    }),
  );
  return { ...report, volumes };
}

/** The same for all groups; each array of a backend is asked for all of them at once. */
export async function reportGroups(parts: ReportParts, outline: Outline, signal: AbortSignal): Promise<GroupReport[]> {
  const known = await knownOf(parts.store, outline, signal);
  const all = replicating(parts, outline);
  const reports = await Promise.all(
    [...new Set(all.map((group) => group.backend))].map(async (name) => {
      const groups = all.filter((group) => group.backend === name);
      const backend = parts.backends.get(name);
      const at = Date.now();
      const observations = await observeGroups(backend, groups, signal);
      const linksUp = linksAsker(backend, signal);
      return Promise.all(
        groups.map(async (group, index) => {
          const observation = observations[index] ?? { groups: {}, failures: {} };
          return reportOf(parts, { known, group, heard: { at, observation, linksUp } }, signal);
        }),
      );
    }),
  );
  return reports.flat().map((report) => parts.recall?.(report) ?? report);
}

/** Of what was last heard, asking no array; groups that nothing was heard of are left out. */
export async function reportPolled(
  parts: ReportParts,
  { poll, outline }: { poll: Pick<StatusPoll, 'find'>; outline: Outline },
  signal: AbortSignal,
): Promise<GroupReport[]> {
  const known = await knownOf(parts.store, outline, signal);
  const reports: GroupReport[] = [];
  for (const group of replicating(parts, outline)) {
    const polled = poll.find(group);
    if (polled !== undefined) {
      const heard = { at: Date.now() - newestOf(polled) * 1000, observation: polled.observation };
      reports.push(await reportOf(parts, { known, group, heard }, signal));
    }
    // Of many groups each is a little work; whoever waits for an answer comes first.
    await nextTurn();
  }
  return reports;
}

const replicating = ({ backends }: ReportParts, { groups }: Outline): Group[] =>
  groups.filter((group) => group.remoteName !== '' && backends.find(group.backend)?.settings.replication !== undefined);

async function knownOf(store: MetadataStore, outline: Outline, signal: AbortSignal): Promise<Known> {
  const { volumes, attachments } = outline;
  const members = new Map<string, VolumeOutline[]>();
  for (const volume of volumes) {
    const group = volume.spec.replicationGroup;
    if (group === undefined) continue;
    const others = members.get(group);
    if (others === undefined) members.set(group, [volume]);
    else others.push(volume);
  }
  return { members, attachments, alive: await store.livingNodes(signal) };
}

function pick(groups: Group[], { name, backend }: GroupName): Group {
  const found = groups.filter(
    (group) =>
      (group.name === name || group.remoteName === name) && (backend === undefined || group.backend === backend),
  );
  const [first, ...others] = found;
  if (first === undefined) {
    const names = groups.map((group) => group.name).join(', ') || 'none';
    throw new DriverError(
      'not-found',
      `the plugin has no volume in a remote copy group ${name} (its groups: ${names})`,
    );
  }
  if (others.length > 0) {
    const backends = found.map((group) => group.backend).join(', ');
    throw new DriverError('invalid', `several backends have a group ${name}: ${backends}`, {
      next: 'say which with --backend NAME',
    });
  }
  return first;
}

async function reportOf(
  { backends, node }: ReportParts,
  { known, group, heard }: { known: Known; group: Group; heard: Heard },
  signal: AbortSignal,
): Promise<GroupReport> {
  const backend = backends.get(group.backend);
  const { mode, strict } = backend.replication();
  const { observation, linksUp } = heard;
  const volumes = (known.members.get(group.name) ?? [])
    .filter((volume) => volume.state === 'ready' && isMoved(volume, group, observation))
    .map((volume) => toGroupVolume(volume, { known, node }));
  const [primary, secondary] = await Promise.all(
    SIDES.map(async (side) => sideOf({ backend, group, volumes, observation, linksUp }, side, signal)),
  );
  if (primary === undefined || secondary === undefined) throw new DriverError('internal', 'a pair has two sides');
  const ours = new Set(volumes.map((each) => each.arrayName));
  const members = [...primary.members, ...secondary.members].map((member) => member.volume);
  return {
    backend: group.backend,
    name: group.name,
    mode,
    ...(hasSwitchover(backend, observation) ? { hasSwitchover: true } : {}),
    at: new Date(heard.at).toISOString(),
    sides: { primary, secondary },
    ...(group.lastActive === undefined ? {} : { lastActive: group.lastActive }),
    ...(group.passedOver === undefined ? {} : { passedOver: group.passedOver }),
    strict,
    volumes,
    strangers: [...new Set(members)].filter((each) => !ours.has(each)),
  };
}

/** Of this group on record, or of the one that another backend on the same arrays has on record for the same group there. */
function isMoved(volume: VolumeOutline, group: Group, { groups }: GroupObservation): boolean {
  if (groupKeyOf(volume) === groupRecordKey(group.backend, group.name)) return true;
  const isMember = SIDES.some((side) => groups[side]?.members.some((each) => each.volume === volume.arrayName));
  return volume.spec.replicationGroup === group.name && isMember;
}

/** What hpe.conf and both arrays say; anything that is not known counts as no. */
const hasSwitchover = (backend: Backend, { groups }: GroupObservation): boolean =>
  backend.replication().witness !== undefined &&
  SIDES.every((side) => {
    const group = groups[side];
    return group !== undefined && findPartner(backend, side, group)?.pathManagement === true;
  });

function toGroupVolume(volume: VolumeOutline, { known, node }: { known: Known; node: string }): GroupVolume {
  const attachment = known.attachments.get(volume.name);
  const { name, arrayName, everMounted, generation = 0 } = volume;
  const base = { name, arrayName, sizeGiB: volume.spec.sizeGiB, everMounted, generation };
  if (attachment === undefined) return base;
  const { node: owner, nodeName, side, peer, apart } = attachment;
  const isHere = owner === node;
  const use = { node: owner, nodeName, side, isHere, isAlive: isHere || known.alive.has(owner) };
  const pair = {
    ...(peer === undefined ? {} : { isOnBoth: true as const }),
    ...(apart === undefined ? {} : { apart }),
  };
  return { ...base, use: { ...use, ...pair } };
}
