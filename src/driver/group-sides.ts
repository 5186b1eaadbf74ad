import type { Backend } from '../backend/backend.js';
import { findPartner, type GroupObservation } from '../backend/observe.js';
import type { SideView } from '../domain/active-side.js';
import type { GroupSide, GroupVolume } from '../domain/group-report.js';
import type { Group, RemoteCopyGroup, Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';

/** For the links, which only matter to people and to plans. */
const LINKS_TIMEOUT_MS = 8_000;

/** Whether an array sees its links to a target up; not knowing is an answer of its own. */
export type LinksUp = (side: Side, target: string) => Promise<boolean | undefined>;

interface Asked {
  backend: Backend;
  group: Group;
  volumes: GroupVolume[];
  observation: GroupObservation;
  /** Absent for what was heard a while ago. */
  linksUp: LinksUp | undefined;
}

/** One array's half of a group's report. */
export async function sideOf(asked: Asked, side: Side, signal: AbortSignal): Promise<GroupSide> {
  const { backend, group, observation } = asked;
  const remedy = observation.failures[side]?.next;
  const view = viewOf(asked, side);
  const isFresh = view.answer === 'group' && asked.linksUp !== undefined;
  if (isFresh) view.linksUp = await linksOf(asked, side);
  const arrayId = isFresh ? await idOf(backend, side, signal) : undefined;
  return {
    array: backend.array(side).label,
    ...(arrayId === undefined ? {} : { arrayId }),
    group: side === 'primary' ? group.name : group.remoteName,
    view,
    members: observation.groups[side]?.members ?? [],
    ...(remedy === undefined ? {} : { remedy }),
  };
}

/** The group as a whole: a volume of ours that is missing, or paired with another one, makes it row 12. */
function viewOf({ backend, group, volumes, observation }: Asked, side: Side): SideView {
  const failure = observation.failures[side];
  if (failure?.silent === true) return { answer: 'silent', reason: failure.text };
  const found = observation.groups[side];
  if (found === undefined) return { answer: 'mismatch', what: failure?.text ?? 'has no such group' };
  const target = findPartner(backend, side, found);
  const what = mismatchOf(found, { volumes, remoteName: side === 'primary' ? group.remoteName : group.name });
  if (target === undefined) return { answer: 'mismatch', what: `group ${found.name} has no clear partner` };
  if (what !== undefined) return { answer: 'mismatch', what };
  return {
    answer: 'group',
    role: found.role,
    reversed: target.roleReversed,
    state: target.state,
    linksUp: undefined,
    lagging: found.members
      .filter((each) => each.syncStatus !== 'synced')
      .map((each) => ({ volume: each.volume, status: each.syncStatus })),
  };
}

function mismatchOf(
  found: RemoteCopyGroup,
  { volumes, remoteName }: { volumes: GroupVolume[]; remoteName: string },
): string | undefined {
  if (found.remoteName !== remoteName)
    return `group ${found.name} is paired with ${found.remoteName}, not with ${remoteName}`;
  for (const { name, arrayName } of volumes) {
    const member = found.members.find((each) => each.volume === arrayName);
    if (member === undefined) return `group ${found.name} has no member ${arrayName}, which is volume ${name}`;
    if (member.remoteVolume !== arrayName)
      return `member ${arrayName} (volume ${name}) is paired with another volume, ${member.remoteVolume}`;
  }
  return undefined;
}

/** Asks each array for its links once, however many groups want to know of them. */
export function linksAsker(backend: Backend, signal: AbortSignal): LinksUp {
  const asked = new Map<string, Promise<boolean | undefined>>();
  const ask: LinksUp = async (side, target) => {
    try {
      return await backend.array(side).remoteCopy.linksUp(target, within(LINKS_TIMEOUT_MS, signal));
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  };
  return async (side, target) => {
    const key = `${side} ${target}`;
    const asking = asked.get(key) ?? ask(side, target);
    asked.set(key, asking);
    return asking;
  };
}

async function linksOf({ backend, observation, linksUp }: Asked, side: Side): Promise<boolean | undefined> {
  const found = observation.groups[side];
  const target = found && findPartner(backend, side, found);
  return target && linksUp?.(side, target.name);
}

/** Known since its first answer. */
async function idOf(backend: Backend, side: Side, signal: AbortSignal): Promise<number | undefined> {
  try {
    return (await backend.array(side).identity(within(LINKS_TIMEOUT_MS, signal))).systemId;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
