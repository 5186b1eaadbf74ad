import { z } from 'zod';
import type { FoundVolume, Imports, NamedVolume } from '../contracts/imports.js';
import { DriverError } from '../domain/errors.js';
import { isTaggedAs } from '../domain/tag.js';
import { makeSo } from './make-so.js';
import { safeName, segment } from './paths.js';
import { listOf, volumeAnswer } from './schemas.js';
import { toVolume, type Volumes } from './volumes.js';
import type { Wsapi } from './wsapi.js';

/** NON_EXISTENT_VOL (reference 2.2) */
const NON_EXISTENT_VOL = 23;
/** `copyType` (reference 4.3) */
const PHYSICAL_COPY = 2;
const VIRTUAL_COPY = 3;
/** `rcopyStatus` of a volume in no group (reference 4.3). */
const NO_REMOTE_COPY = 1;

const foundAnswer = volumeAnswer.extend({
  copyType: z.int(),
  readOnly: z.boolean().optional(),
  rcopyStatus: z.int().optional(),
  rcopyGroup: z.string().optional(),
  expirationTimeSec: z.int().positive().optional(),
});
const setAnswer = z.object({ name: z.string(), setmembers: z.array(z.string()).optional() });

/** Taking over and giving back volumes of one array, by WSAPI. */
export class WsapiImports implements Imports {
  readonly #wsapi: Wsapi;
  readonly #volumes: Volumes;

  constructor(wsapi: Wsapi, volumes: Volumes) {
    this.#wsapi = wsapi;
    this.#volumes = volumes;
  }

  async look(name: string, signal: AbortSignal): Promise<FoundVolume | undefined> {
    const schema = foundAnswer.extend({ name: z.literal(name) });
    const read = { path: `volumes/${segment(name)}`, schema, absent: [NON_EXISTENT_VOL] };
    const [found, sets] = await Promise.all([
      this.#wsapi.find(read, signal),
      this.#wsapi.get({ path: 'volumesets', schema: listOf(setAnswer) }, signal),
    ]);
    if (found === undefined) return undefined;
    const { copyType, readOnly, rcopyStatus = NO_REMOTE_COPY, rcopyGroup, expirationTimeSec } = found;
    return {
      volume: toVolume(found),
      isSnapshot: copyType === VIRTUAL_COPY,
      isCopy: copyType === PHYSICAL_COPY,
      isReadOnly: readOnly === true,
      group: rcopyGroup ?? (rcopyStatus === NO_REMOTE_COPY ? undefined : 'whose name the array does not tell'),
      expiresAt: expirationTimeSec === undefined ? undefined : new Date(expirationTimeSec * 1000).toISOString(),
      sets: sets.filter((set) => set.setmembers?.includes(name) === true).map((set) => set.name),
    };
  }

  async rename(volume: NamedVolume, newName: string, signal: AbortSignal): Promise<void> {
    const taken = await this.#volumes.find(newName, signal);
    if (taken?.wwn === volume.wwn) return;
    if (taken !== undefined) {
      throw new DriverError(
        'exists',
        `${this.#wsapi.label} has another volume ${newName} (WWN ${taken.wwn}), so ${volume.name} cannot be called so`,
        { next: `see whose it is with: showvv -d ${newName}` },
      );
    }
    await this.#get(volume, signal);
    const body = { newName: safeName(newName) };
    await makeSo(
      {
        act: async () => this.#wsapi.change({ method: 'PUT', path: `volumes/${segment(volume.name)}`, body }, signal),
        read: async () => this.#volumes.find(newName, signal),
        isDone: (found) => found?.wwn === volume.wwn,
        notDone: () => this.#notDone(`the name ${newName} of volume ${volume.name}`, 'no such volume is there'),
      },
      signal,
    );
  }

  async changeComment(volume: NamedVolume, wanted: { from: string; to: string }, signal: AbortSignal): Promise<void> {
    const to = await this.#volumes.stamped(wanted.to);
    const { comment } = await this.#get(volume, signal);
    if (isTaggedAs(comment, to)) return;
    if (!isTaggedAs(comment, wanted.from)) {
      throw new DriverError(
        'refused',
        `volume ${volume.name} on ${this.#wsapi.label} has the comment ${JSON.stringify(comment)} by now; it is left alone`,
        { next: `see whose it is with: showvv -d ${volume.name}` },
      );
    }
    await makeSo(
      {
        act: async () =>
          this.#wsapi.change({ method: 'PUT', path: `volumes/${segment(volume.name)}`, body: { comment: to } }, signal),
        read: async () => this.#get(volume, signal),
        isDone: (found) => found.comment === to,
        notDone: (found) =>
          this.#notDone(`the comment of volume ${volume.name}`, `it reads ${JSON.stringify(found.comment)}`),
      },
      signal,
    );
  }

  async #get({ name, wwn }: NamedVolume, signal: AbortSignal) {
    const found = await this.#volumes.find(name, signal);
    if (found?.wwn === wwn) return found;
    if (found === undefined) throw new DriverError('not-found', `${this.#wsapi.label} has no volume ${name}`);
    throw new DriverError(
      'refused',
      `volume ${name} on ${this.#wsapi.label} has the WWN ${found.wwn} instead of ${wwn}: it is another one, and left alone`,
      { next: `see what became of the volume with: showvv -d ${name}` },
    );
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the events of the array with: showeventlog -min 10',
    });
  }
}
