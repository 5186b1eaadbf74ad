import { decideActiveSide, type ActiveSide, type SideView } from './active-side.js';
import type { Apart } from './attachment.js';
import { otherSide, type GroupMember, type ReplicationMode, type Side } from './replication.js';

/** A volume of ours in a group, and who uses it. */
export interface GroupVolume {
  name: string;
  /** On both arrays. */
  arrayName: string;
  sizeGiB: number;
  everMounted: boolean;
  /** Of its last attachment: grows with every use. */
  generation: number;
  /** Absent: mounted nowhere. */
  use?: VolumeUse;
  /** The arrays that export it now; only where that was asked for, and an array that does not answer is not among them. */
  exportedOn?: Side[];
}

export interface VolumeUse {
  node: string;
  nodeName: string;
  side: Side;
  /** Both arrays export it to the node (peer persistence): it follows a switchover by itself. */
  isOnBoth?: true;
  /** Its two copies were seen apart since it was mounted. */
  apart?: Apart;
  /** It is the node that was asked. */
  isHere: boolean;
  /** Its daemon runs; without it nobody there can let go of the volume. */
  isAlive: boolean;
}

/** What one array says of a group. */
export interface GroupSide {
  /** For messages: `primary array of backend DEFAULT (https://…)`. */
  array: string;
  /** Its system id; only of fresh answers. */
  arrayId?: number;
  /** The group's name there; empty when it is not known. */
  group: string;
  view: SideView;
  members: GroupMember[];
  /** An array that does not answer has a remedy, sometimes. */
  remedy?: string;
  /** How the group was when this array last answered; only of a silent one, and only if the daemon has seen it. */
  lastSeen?: LastSeen;
}

export interface LastSeen {
  /** ISO 8601. */
  at: string;
  isProtected: boolean;
  /** It took writes that it did not pass on. */
  isAlone: boolean;
  why: string;
  /** When it was first asked in vain after that; ISO 8601. Between the two nobody looked. */
  missedAt?: string;
}

/** What a node remembers of a group: how it was protected when its arrays last answered, and since when it is as it is now. */
export interface ProtectionMemory {
  backend: string;
  name: string;
  /** Of the newest report; ISO 8601. */
  at: string;
  isProtected: boolean;
  /** ISO 8601; of the first look, if nothing else is known. */
  since: string;
  seen: Partial<Record<Side, LastSeen>>;
}

/** All that is known of a group of an active/passive pair: what both arrays say, asked at once, and what the metadata say. */
export interface GroupReport {
  backend: string;
  name: string;
  mode: ReplicationMode;
  /** Peer persistence: the arrays can change their roles under I/O. */
  hasSwitchover?: true;
  /** When the arrays were asked; ISO 8601. */
  at: string;
  sides: Record<Side, GroupSide>;
  /** Absent: nothing was ever mounted. */
  lastActive?: Side;
  passedOver?: Side;
  strict: boolean;
  volumes: GroupVolume[];
  /** Since when it is protected, or not, as it is now; as far as the daemon of this node knows. ISO 8601. */
  since?: string;
  /** Members that are no volumes of ours. */
  strangers: string[];
}

export const SIDES = ['primary', 'secondary'] as const;

/** The group as each array that answers has it: the same for all backends that use it. */
export const groupOnArrays = ({ sides }: GroupReport): string[] =>
  SIDES.flatMap((side) => {
    const { arrayId, group } = sides[side];
    return arrayId === undefined ? [] : [`array:${arrayId}/${group}`];
  });

/** Which array serves the group, by the role table; asked for the group as a whole, so no override counts. */
export function activeSideOf(report: GroupReport): ActiveSide {
  const { sides, lastActive, passedOver, strict, volumes } = report;
  return decideActiveSide({
    views: { primary: sides.primary.view, secondary: sides.secondary.view },
    lastActive,
    passedOver,
    strict,
    everMounted: volumes.some((each) => each.everMounted),
  });
}

/** What uses another copy than that of the side. A device with paths to both follows a switchover, but not two arrays that both take writes. */
export function usedElsewhere({ sides, volumes }: GroupReport, side: Side): GroupVolume[] {
  const isSplit = SIDES.every((each) => {
    const { view } = sides[each];
    return view.answer === 'group' && view.role === 'primary';
  });
  return volumes.filter(({ use }) => use !== undefined && (use.isOnBoth === true ? isSplit : use.side !== side));
}

/** When the older of the members' last completed syncs was; undefined for a synchronous group, or when one never was. */
export function lastSyncOf({ members }: Pick<GroupSide, 'members'>): string | undefined {
  const times = members.map((member) => member.lastSync);
  if (times.length === 0 || times.includes(undefined)) return undefined;
  return times.reduce((oldest, each) => (Date.parse(each ?? '') < Date.parse(oldest ?? '') ? each : oldest));
}

/** Whether a write that is acknowledged now is on both arrays, or will be with the next period; and if not, why. */
export function protectionOf(report: GroupReport): { isProtected: boolean; why: string } {
  const { side } = activeSideOf(report);
  if (side === undefined) return { isProtected: false, why: 'no array is proven to be the active one' };
  const [here, there] = [report.sides[side], report.sides[otherSide(side)]];
  if (there.view.answer !== 'group')
    return { isProtected: false, why: `the ${otherSide(side)} array does not answer for the group` };
  if (here.view.answer !== 'group' || here.view.state !== 'started') {
    return { isProtected: false, why: `the group is ${here.view.answer === 'group' ? here.view.state : 'silent'}` };
  }
  const lagging = [...here.view.lagging, ...there.view.lagging][0];
  if (lagging === undefined) return { isProtected: true, why: 'started, and every volume is synced' };
  // A periodic group copies again and again; the last completed copy protects meanwhile.
  if (report.mode === 'asynchronous' && lastSyncOf(there) !== undefined) {
    return { isProtected: true, why: 'started, and a sync is under way' };
  }
  return { isProtected: false, why: `${lagging.volume} is ${lagging.status}` };
}

/** What is not synced, and how it is, by the names that users know; an array that does not answer is among them. */
export function laggingIn({ sides, volumes }: GroupReport): string[] {
  const lagging = SIDES.flatMap((side) => {
    const { view } = sides[side];
    return view.answer === 'group' ? view.lagging : [{ volume: `the ${side} array`, status: 'silent' }];
  });
  const nameOf = (arrayName: string): string => volumes.find((each) => each.arrayName === arrayName)?.name ?? arrayName;
  return [...new Set(lagging.map((each) => `${nameOf(each.volume)} ${each.status}`))];
}
