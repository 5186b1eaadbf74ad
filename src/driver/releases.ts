import type { Backend } from '../backend/backend.js';
import { DriverError } from '../domain/errors.js';
import { homeSide, type Volume } from '../domain/volume.js';
import { heldElsewhere } from './attachments.js';
import type { DriverContext } from './context.js';
import { refuseIfCopied } from './copying.js';
import { releaseSaga, type ImportPlan } from './import.js';
import { noVolume } from './inventory.js';
import type { Operations } from './operations.js';
import { refuseIfExported } from './plan-remove.js';

/** What an operator asks for. */
export interface ReleaseOrder {
  volume: string;
  /** He knows that the comment of before is lost. */
  withoutComment?: boolean;
}

/** Gives imported volumes back to whoever had them. */
export class Releases {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;

  constructor(ctx: DriverContext, operations: Operations) {
    this.#ctx = ctx;
    this.#operations = operations;
  }

  /** The lines for the operator. @throws `not-found`, `refused`, `busy` or `unavailable`, with nothing changed unless it says so */
  async release({ volume: name, withoutComment }: ReleaseOrder, signal: AbortSignal): Promise<string[]> {
    return this.#operations.withVolume({ volume: name, keys: [] }, signal, async (held, { volume, attachment }) => {
      const { store, backends } = this.#ctx;
      if (volume === undefined) throw noVolume(name);
      const plan = planRelease(volume);
      if (withoutComment !== true) refuseLostComment(volume);
      const backend = backends.get(volume.spec.backend);
      if (attachment !== undefined) throw heldElsewhere(attachment);
      const copies = await store.listCopies(volume.id, held.signal);
      refuseSnapshots(volume, copies);
      await refuseIfCopied(backend, { source: volume, copies }, held.signal);
      await refuseIfExported(backend, volume, held.signal);
      const claim = [{ put: 'volume' as const, key: name, value: { ...volume, state: 'deleting' as const } }];
      await held.run(releaseSaga(backend, plan), { plan, volume: name, claim });
      return [saidOf(backend, plan)];
    });
  }
}

function refuseSnapshots({ name }: Volume, copies: readonly Volume[]): void {
  const snapshots = copies.filter(({ origin }) => origin?.kind === 'snapshot');
  if (snapshots.length === 0) return;
  const names = snapshots.map((each) => each.name).toSorted();
  throw new DriverError('busy', `volume ${name} has snapshots of Docker: ${names.join(', ')}`, {
    next: `docker volume rm ${names.join(' ')}`,
  });
}

function planRelease(volume: Volume): ImportPlan {
  const { name, origin, state, wwn } = volume;
  const known = wwn[homeSide(volume)];
  if (state !== 'ready') {
    throw new DriverError('busy', `volume ${name} is ${state}`, { next: 'try again when that is finished' });
  }
  if (origin?.kind !== 'import' || known === undefined) {
    throw new DriverError('refused', `volume ${name} was not imported, so there is nothing to give it back to`, {
      next: `docker volume rm ${name} deletes it with its data`,
    });
  }
  return { volume, former: { name: origin.formerName, comment: origin.formerComment ?? '' }, wwn: known };
}

/** A rebuild knows only what the tag had room for, and a release would put nothing where something stood. */
function refuseLostComment({ name, origin }: Volume): void {
  if (origin?.kind !== 'import' || origin.formerCommentLost !== true) return;
  throw new DriverError(
    'refused',
    `the rebuild of the metadata has lost what stood in its comment before volume ${name} was imported: its tag had no room for that`,
    {
      next: `if nobody needs it: hpe-volume-plugin release ${name} --without-comment, which leaves the comment of ${origin.formerName} empty; a backup of the metadata may have it`,
    },
  );
}

const saidOf = (backend: Backend, { volume, former }: ImportPlan): string =>
  `volume ${volume.name} is called ${former.name} on ${backend.array(homeSide(volume)).label} again, with its data; Docker has forgotten it`;
