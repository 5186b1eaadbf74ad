import type { Backend } from '../backend/backend.js';
import type { GroupObservation } from '../backend/observe.js';
import { isPaired, isSplit } from '../backend/paired.js';
import type { Apart, Attachment } from '../domain/attachment.js';
import { isFailedOver } from '../domain/active-side.js';
import { DriverError } from '../domain/errors.js';
import { otherSide, type Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';

interface Seen {
  backend: Backend;
  volume: Pick<Volume, 'wwn'>;
  attachment: Attachment;
  observation: GroupObservation;
  /** The side that is proven to be active. */
  side: Side | undefined;
  /** Of the role table. */
  row: number;
}

/**
 * What is known by now of the copies behind a mount. A role that moves while they are together takes all data with it; one
 * that moves while they are apart leaves data behind, and a file system that goes on would mix the two.
 */
export function apartAfter({ backend, volume, attachment, observation, side, row }: Seen): Apart | undefined {
  const { apart, peer } = attachment;
  if (apart?.moved === true) return apart;
  if (peer !== undefined && isSplit(observation)) return { side: apart?.side ?? attachment.side, moved: true };
  if (side === undefined) return apart;
  if (isPaired(backend, volume, observation)) {
    // A failover may be synchronised before the next look; the way home takes all data along.
    const mayBeLeft = apart !== undefined && apart.side !== side && isFailedOver(row);
    return mayBeLeft ? { ...apart, moved: true } : undefined;
  }
  const before = apart?.side ?? (peer === undefined ? attachment.side : side);
  return before === side ? { side } : { side: before, moved: true };
}

/** The attachment with what is known now. */
export function withApart({ apart: _before, ...attachment }: Attachment, apart: Apart | undefined): Attachment {
  return { ...attachment, ...(apart === undefined ? {} : { apart }) };
}

/** For whoever would use a mount whose data have moved. */
export function movedApart(backend: Backend, { volume }: Attachment, from: Side): DriverError {
  const [left, taken] = [from, otherSide(from)].map((side) => backend.array(side).label);
  return new DriverError(
    'refused',
    `volume ${volume} is mounted here from before its group moved from ${left} to ${taken} while their copies were apart: what was written meanwhile may be on ${left} only, and the file system here does not know the copy that it has now`,
    {
      next: `stop all containers that use ${volume} now, then start them again; before the copy on ${left} is overwritten (setrcopygroup recover, restore) see whether it has what is missing`,
    },
  );
}
