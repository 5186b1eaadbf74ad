/** One mount id of dockerd: how often it was mounted in the life of dockerd that it was last seen in. */
export interface MountId {
  id: string;
  count: number;
  /** Which life of dockerd; a known id from an older life is replaced, not added to. */
  life: string;
}

/**
 * One more mount by that id. dockerd sends the id of a running container again for `docker cp`, and one Unmount for each;
 * after a crash of its own it sends the id again without any Unmount before it.
 */
export function withMountId(ids: readonly MountId[], mounted: Omit<MountId, 'count'>): MountId[] {
  const known = ids.find((each) => each.id === mounted.id);
  const count = known !== undefined && known.life === mounted.life ? known.count + 1 : 1;
  return [...ids.filter((each) => each.id !== mounted.id), { ...mounted, count }];
}

/** One mount by that id less; an id that is not known changes nothing. */
export function withoutMountId(ids: readonly MountId[], id: string): MountId[] {
  return ids
    .map((each) => (each.id === id ? { ...each, count: each.count - 1 } : each))
    .filter((each) => each.count > 0);
}
