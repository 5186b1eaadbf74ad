import type { Admission, CreateGroup, ReadBack, RemoteCopy } from '../src/contracts/array.js';
import type { RemoteCopyGroup } from '../src/domain/replication.js';

/** Done, and read back at once. */
export const readBack = async <T>(begun: Promise<ReadBack<T>>): Promise<T> => (await begun)();

/** A new group with all that belongs to it, as read back. */
export async function makeWholeGroup(
  remoteCopy: RemoteCopy,
  wanted: CreateGroup,
  signal: AbortSignal,
): Promise<RemoteCopyGroup> {
  const group = await remoteCopy.makeGroup(wanted, signal);
  await group.set();
  return group.confirm(await remoteCopy.findGroup(wanted.name, signal));
}

/** The group with its new member. */
export async function admitAndLook(
  remoteCopy: RemoteCopy,
  admission: Admission,
  signal: AbortSignal,
): Promise<RemoteCopyGroup | undefined> {
  await remoteCopy.admit(admission, signal);
  return remoteCopy.findGroup(admission.group, signal);
}
