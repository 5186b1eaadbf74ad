import path from 'node:path';
import type { MountinfoEntry } from './mountinfo.js';

/** A mount among all those that one process sees. */
interface Seen {
  entry: MountinfoEntry;
  view: MountinfoEntry[];
}

/**
 * What an umount of `ours` takes along, `ours` included: the copies that the kernel made by propagation and takes away with it
 * (mount_namespaces(7)). They lie at the same place of a parent that receives what happens on our parent. A copy with
 * mounts below it stays, and so does one that was cut off (private), and a bind at any other place.
 */
export function findTakenAlong(ours: Seen, views: MountinfoEntry[][]): MountinfoEntry[] {
  const parent = parentOf(ours);
  if (parent?.shared === undefined) return [];
  const groups = receivingGroups(parent.shared, views.flat());
  const place = placeOn(parent, ours.entry);
  const isCopy = (entry: MountinfoEntry, view: MountinfoEntry[]): boolean => {
    if (entry.device !== ours.entry.device || entry.root !== ours.entry.root) return false;
    const on = parentOf({ entry, view });
    if (on === undefined || on.device !== parent.device || placeOn(on, entry) !== place) return false;
    return receives(on, groups) && !view.some((each) => each.parentId === entry.id);
  };
  return views.flatMap((view) => view.filter((entry) => isCopy(entry, view)));
}

/** Whether a mount of another namespace receives what is mounted below the directory of ours. */
export function isReceivedElsewhere(
  { directory, view }: { directory: string; view: MountinfoEntry[] },
  views: MountinfoEntry[][],
): boolean {
  const on = view.filter(({ target }) => `${directory}/`.startsWith(target.endsWith('/') ? target : `${target}/`));
  const deepest = Math.max(...on.map(({ target }) => target.length));
  const { shared } = on.findLast(({ target }) => target.length === deepest) ?? {};
  if (shared === undefined) return false;
  const groups = receivingGroups(shared, views.flat());
  const own = new Set(view.map(({ id }) => id));
  return views.flat().some((each) => !own.has(each.id) && receives(each, groups));
}

/** The peer group, and the groups that are its slaves, step by step, as far as any process sees them. */
function receivingGroups(group: number, mounts: MountinfoEntry[]): Set<number> {
  const groups = new Set([group]);
  for (let known = 0; known < groups.size;) {
    known = groups.size;
    for (const mount of mounts) if (mount.shared !== undefined && receives(mount, groups)) groups.add(mount.shared);
  }
  return groups;
}

function receives({ shared, master, propagateFrom }: MountinfoEntry, groups: Set<number>): boolean {
  return [shared, master, propagateFrom].some((group) => group !== undefined && groups.has(group));
}

/** Undefined also when the parent lies outside the process's root directory. */
function parentOf({ entry, view }: Seen): MountinfoEntry | undefined {
  return view.find((each) => each.id === entry.parentId);
}

/** The mount point as a path of the parent's file system, which is the same for all copies. */
function placeOn(parent: MountinfoEntry, entry: MountinfoEntry): string {
  return path.join(parent.root, path.relative(parent.target, entry.target));
}
