import { setTimeout as pause } from 'node:timers/promises';
import { decideActiveSide, describeView, type ActiveSide, type SideView } from '../domain/active-side.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { overrideCommand } from '../domain/override.js';
import {
  otherSide,
  partnerTarget,
  type Group,
  type GroupTarget,
  type RemoteCopyGroup,
  type Side,
} from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { Backend } from './backend.js';

/** How long an array may think about its group before it counts as silent. */
const ASK_TIMEOUT_MS = 8_000;
/** A group in transition (row 11) is asked again this often, this many seconds apart. */
const TRANSITION_RETRIES = 15;
const TRANSITION_PAUSE_MS = 1_000;

/** What both arrays said about a group, asked at once. */
export interface GroupObservation {
  groups: Partial<Record<Side, RemoteCopyGroup>>;
  /** Why a side has no group here. */
  failures: Partial<Record<Side, SideFailure>>;
}

export interface SideFailure {
  silent: boolean;
  text: string;
  next?: string | undefined;
}

/** A proven active side. */
export interface ProvenSide {
  side: Side;
  /** Row of the role table. */
  row: number;
  warning: string | undefined;
  /** Only an operator's override allows it. */
  overridden: boolean;
  observation: GroupObservation;
}

/** Asks both arrays for a group at the same time; a silent one is a finding, not an error. */
export async function observeGroup(
  backend: Backend,
  names: Pick<Group, 'name' | 'remoteName'>,
  signal: AbortSignal,
): Promise<GroupObservation> {
  const observation: GroupObservation = { groups: {}, failures: {} };
  const asking = { backend, observation, signal };
  await Promise.all([askOneSide(asking, 'primary', names.name), askOneSide(asking, 'secondary', names.remoteName)]);
  return observation;
}

/** A refusal is a silence, too: it says nothing of the group. */
export function silence(thrown: unknown): SideFailure {
  const { message, next } = asDriverError(thrown);
  return { silent: true, text: message, next };
}

/** Adds what one array says of the group that it knows by that name; without a name it is only asked whether it is there. */
export async function askOneSide(
  { backend, observation, signal }: { backend: Backend; observation: GroupObservation; signal: AbortSignal },
  side: Side,
  name: string | undefined,
): Promise<void> {
  const { groups, failures } = observation;
  const bounded = within(ASK_TIMEOUT_MS, signal);
  try {
    if (name === undefined) return void (await backend.array(side).identity(bounded));
    const group = await backend.array(side).remoteCopy.findGroup(name, bounded);
    if (group !== undefined) groups[side] = group;
    else failures[side] = { silent: false, text: `has no remote copy group ${name}` };
  } catch (thrown) {
    signal.throwIfAborted();
    failures[side] = silence(thrown);
  }
}

/** The target of the group that is the other array of this backend. */
export function findPartner(backend: Backend, side: Side, group: RemoteCopyGroup): GroupTarget | undefined {
  return partnerTarget(group, side === 'primary' ? backend.replication().target : undefined);
}

export interface ActiveSideRequest {
  backend: Backend;
  group: Group;
  /** Name of the member on both arrays. */
  arrayName: string;
  everMounted: boolean;
  /** For a mount: Docker's name of the volume, and the side that an operator's override names. Nothing else honours one (rule 8). */
  override?: { volume: string; side: Side | undefined };
}

/** What both arrays said, and what the role table makes of it. */
export interface ActiveSideFinding {
  observation: GroupObservation;
  views: Record<Side, SideView>;
  verdict: ActiveSide;
}

/**
 * Which array serves the group now, proven by fresh answers of both. A group in transition is asked again for a while.
 * @throws `refused` or `unavailable` with what each array said and what to type next
 */
export async function proveActiveSide(request: ActiveSideRequest, signal: AbortSignal): Promise<ProvenSide> {
  for (let attempt = 1; ; attempt += 1) {
    const { observation, views, verdict } = await askActiveSide(request, signal);
    if (verdict.side !== undefined) {
      const { side, row, warning, overridden = false } = verdict;
      return { side, row, warning, overridden, observation };
    }
    if (!verdict.transition || attempt >= TRANSITION_RETRIES) throw refusal(request, { views, observation }, verdict);
    await pause(TRANSITION_PAUSE_MS, undefined, { signal });
  }
}

/** Asks both arrays once, for people; a refusal is a finding like any other. */
export async function askActiveSide(request: ActiveSideRequest, signal: AbortSignal): Promise<ActiveSideFinding> {
  const observation = await observeGroup(request.backend, request.group, signal);
  const views = await viewsOf(request, observation, signal);
  return { observation, views, verdict: decideActiveSide({ ...questionOf(request), views }) };
}

/** What each array said, in words. */
export const describeViews = (backend: Backend, views: Record<Side, SideView>): string =>
  (['primary', 'secondary'] as const)
    .map((side) => `${backend.array(side).label}: ${describeView(views[side])}`)
    .join('; ');

/** The verdict on an observation that is there already, without asking for links: for status, never for a mount. */
export function judgeObservation(request: ActiveSideRequest, observation: GroupObservation): ActiveSide {
  const views = {
    primary: viewOf(request, observation, 'primary'),
    secondary: viewOf(request, observation, 'secondary'),
  };
  return decideActiveSide({ ...questionOf(request), views });
}

const questionOf = (request: ActiveSideRequest) => ({
  lastActive: request.group.lastActive,
  everMounted: request.everMounted,
  strict: request.backend.replication().strict,
  passedOver: request.group.passedOver,
  override: request.override?.side,
});

async function viewsOf(
  request: ActiveSideRequest,
  observation: GroupObservation,
  signal: AbortSignal,
): Promise<Record<Side, SideView>> {
  const views = {
    primary: viewOf(request, observation, 'primary'),
    secondary: viewOf(request, observation, 'secondary'),
  };
  for (const side of ['primary', 'secondary'] as const) {
    const view = views[side];
    // Links matter only to a Primary whose partner is silent (rows 5 to 7), so they are asked for only then.
    if (view.answer === 'group' && view.role === 'primary' && views[otherSide(side)].answer === 'silent') {
      const group = observation.groups[side];
      const target = group && findPartner(request.backend, side, group);
      if (target) view.linksUp = await linksUp(request.backend, { side, target: target.name }, signal);
    }
  }
  return views;
}

async function linksUp(
  backend: Backend,
  of: { side: Side; target: string },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    return await backend.array(of.side).remoteCopy.linksUp(of.target, signal);
  } catch {
    // Not knowing is an answer of its own in the role table; it never counts as up or down.
    signal.throwIfAborted();
    return undefined;
  }
}

function viewOf(request: ActiveSideRequest, observation: GroupObservation, side: Side): SideView {
  const failure = observation.failures[side];
  if (failure?.silent === true) return { answer: 'silent', reason: failure.text };
  const group = observation.groups[side];
  if (group === undefined) return { answer: 'mismatch', what: failure?.text ?? 'has no such group' };
  const target = findPartner(request.backend, side, group);
  if (target === undefined) {
    return {
      answer: 'mismatch',
      what: `group ${group.name} has no clear partner (its targets: ${targetNames(group)})`,
    };
  }
  const expectedRemote = side === 'primary' ? request.group.remoteName : request.group.name;
  if (group.remoteName !== expectedRemote) {
    return {
      answer: 'mismatch',
      what: `group ${group.name} is paired with ${group.remoteName}, not with ${expectedRemote}`,
    };
  }
  const member = group.members.find((each) => each.volume === request.arrayName);
  if (member === undefined) {
    return { answer: 'mismatch', what: `group ${group.name} has no member ${request.arrayName}` };
  }
  if (member.remoteVolume !== request.arrayName) {
    return {
      answer: 'mismatch',
      what: `member ${member.volume} is paired with another volume, ${member.remoteVolume}`,
    };
  }
  return {
    answer: 'group',
    role: group.role,
    reversed: target.roleReversed,
    state: target.state,
    linksUp: undefined,
    lagging: group.members
      .filter((each) => each.syncStatus !== 'synced')
      .map((each) => ({ volume: each.volume, status: each.syncStatus })),
  };
}

const targetNames = (group: RemoteCopyGroup): string => group.targets.map((target) => target.name).join(', ') || 'none';

function refusal(
  request: ActiveSideRequest,
  { views, observation }: { views: Record<Side, SideView>; observation: GroupObservation },
  verdict: Extract<ActiveSide, { side: undefined }>,
): DriverError {
  const code = views.primary.answer === 'silent' || views.secondary.answer === 'silent' ? 'unavailable' : 'refused';
  return new DriverError(
    code,
    `no array is proven to hold the live copy of group ${request.group.name} (row ${verdict.row} of the role table): ${verdict.reason} [${describeViews(request.backend, views)}]`,
    { next: nextStep(request, observation, verdict.row) },
  );
}

function nextStep(request: ActiveSideRequest, { failures }: GroupObservation, row: number): string {
  const { name, remoteName } = request.group;
  const compare = `compare "showrcopy groups ${name}" and "showrcopy groups ${remoteName}" on the two arrays`;
  if (row === 1)
    return `wait until "showrcopy groups ${name}" shows the group Started and every volume Synced, then start the container again`;
  if (row === 11) return `finish what was begun: ${compare}`;
  if (row === 12) return `${compare} and repair the group`;
  const silent: Side = failures.primary?.silent === true ? 'primary' : 'secondary';
  // A refused password or certificate makes an array silent, too, and has a remedy of its own.
  const remedy = failures[silent]?.next ?? `bring the ${silent} array back`;
  const standby = otherSide(silent);
  if (row !== 9) return `${remedy}; then start the container again${lastResort(request, standby, row)}`;
  const groupThere = standby === 'primary' ? name : remoteName;
  // With peer persistence what is mounted would go on from a copy that lacks what was written last.
  const first =
    request.backend.replication().witness === undefined ? '' : `stop all containers that use volumes of ${name}, then `;
  return `${remedy}; or, if the ${silent} array is lost, ${first}type on ${request.backend.array(standby).label}: setrcopygroup failover -f ${groupThere}`;
}

/** Rule 8: only rows 6 to 8 have it. */
function lastResort({ override }: ActiveSideRequest, standby: Side, row: number): string {
  if (override === undefined || row < 6 || row > 8) return '';
  return `; the last resort, if you know that the ${standby} copy is the one to use: ${overrideCommand(override.volume, standby)}`;
}
