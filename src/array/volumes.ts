import { z } from 'zod';
import type { ArrayVolume, CreateVolume, GrowVolume, ReadBack } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { isTaggedAs, stampTag } from '../domain/tag.js';
import type { Provisioning } from '../domain/volume.js';
import { ArrayRefusal } from './codes.js';
import { beginSo, makeSo } from './make-so.js';
import { safeName, segment } from './paths.js';
import { volumeAnswer, type VolumeAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** NON_EXISTENT_VOL (reference 2.2) */
const NON_EXISTENT_VOL = 23;

/** `provisioningType` of reference 4.3; snapshots, peer volumes and the rest are none of ours. */
const PROVISIONING: Readonly<Record<number, Provisioning>> = { 1: 'full', 2: 'thin', 6: 'dedup' };

/** `compressionState` 1 is yes; 2 no, 3 off, 4 not applicable (reference 4.3). */
const COMPRESSED = 1;

/** The `action` that grows a volume by so many MiB (reference 4.1). */
const GROW = 3;

/** Refusals of a grow that no start of a group would mend: no right, no space, kind of volume, too large (reference 2.2). */
const LASTING = new Set([13, 24, 28, 150, 152, 153]);

/** Which cluster's volumes are made; undefined while that is not known. */
export type FindCluster = () => Promise<string | undefined>;

/** Volumes of one array. */
export class Volumes {
  readonly #wsapi: Wsapi;
  readonly #findCluster: FindCluster;

  constructor(wsapi: Wsapi, findCluster: FindCluster = async () => Promise.resolve(undefined)) {
    this.#wsapi = wsapi;
    this.#findCluster = findCluster;
  }

  /** The tag as it is written: with the mark of our cluster. */
  async stamped(tag: string): Promise<string> {
    return stampTag(tag, await this.#findCluster());
  }

  async find(name: string, signal: AbortSignal): Promise<ArrayVolume | undefined> {
    const schema = volumeAnswer.extend({ name: z.literal(name) });
    const read = { path: `volumes/${segment(name)}`, schema, absent: [NON_EXISTENT_VOL] };
    const answer = await this.#wsapi.find(read, signal);
    return answer && toVolume(answer);
  }

  async make(wanted: CreateVolume, signal: AbortSignal): Promise<ReadBack<ArrayVolume>> {
    const { name, tag } = wanted;
    const body = createBody({ ...wanted, tag: await this.stamped(tag) });
    let acknowledged = false;
    const readBack = await beginSo(
      {
        act: async () => {
          await this.#wsapi.change({ method: 'POST', path: 'volumes', body }, signal);
          acknowledged = true;
        },
        read: async () => this.find(name, signal),
        isDone: (found) => found !== undefined,
        notDone: () => this.#notDone(`the creation of volume ${name}`, 'there is no such volume'),
      },
      signal,
    );
    if (acknowledged) return async () => this.#judged(wanted, { volume: await readBack(), acknowledged });
    const volume = this.#judged(wanted, { volume: await readBack(), acknowledged });
    return async () => Promise.resolve(volume);
  }

  #judged(
    wanted: CreateVolume,
    { volume, acknowledged }: { volume: ArrayVolume | undefined; acknowledged: boolean },
  ): ArrayVolume {
    const { name, tag } = wanted;
    if (volume === undefined) throw new DriverError('internal', `volume ${name} was made, and is not there`);
    const differences = differencesOf(wanted, volume);
    if (differences.length === 0) return volume;
    if (acknowledged) throw this.#notDone(`the creation of volume ${name}`, differences.join(', '));
    throw new DriverError('exists', `${this.#wsapi.label} has another volume ${name}: ${differences.join(', ')}`, {
      next: `see whose it is with: showvv -d ${name}${isTaggedAs(volume.comment, tag) ? '' : '; it is not touched'}`,
    });
  }

  async tag(name: string, ownTag: string, signal: AbortSignal): Promise<ArrayVolume> {
    const tag = await this.stamped(ownTag);
    const found = await this.#get(name, signal);
    if (found.comment === tag) return found;
    if (found.comment !== '' && !isTaggedAs(found.comment, tag)) throw this.#foreign(found, 'it is not tagged');
    return this.#writeTag(name, tag, signal);
  }

  async tagCopy(name: string, ownTag: string, signal: AbortSignal): Promise<ArrayVolume> {
    return this.#writeTag(name, await this.stamped(ownTag), signal);
  }

  async #writeTag(name: string, tag: string, signal: AbortSignal): Promise<ArrayVolume> {
    return makeSo(
      {
        act: async () =>
          this.#wsapi.change({ method: 'PUT', path: `volumes/${segment(name)}`, body: { comment: tag } }, signal),
        read: async () => this.#get(name, signal),
        isDone: ({ comment }) => comment === tag,
        notDone: ({ comment }) => this.#notDone(`the comment of volume ${name}`, `it reads ${JSON.stringify(comment)}`),
      },
      signal,
    );
  }

  async grow({ name, tag, sizeMiB, isCopy }: GrowVolume, signal: AbortSignal): Promise<ArrayVolume> {
    const found = await this.#get(name, signal);
    if (!isTaggedAs(found.comment, tag)) throw this.#foreign(found, 'it is not grown');
    if (found.sizeMiB >= sizeMiB) return found;
    const body = { action: GROW, sizeMiB: sizeMiB - found.sizeMiB };
    try {
      return await makeSo(
        {
          act: async () => this.#wsapi.change({ method: 'PUT', path: `volumes/${segment(name)}`, body }, signal),
          read: async () => this.#get(name, signal),
          isDone: (state) => state.sizeMiB >= sizeMiB,
          notDone: (state) => this.#notDone(`the growth of volume ${name}`, `it has ${state.sizeMiB} MiB`),
        },
        signal,
      );
    } catch (thrown) {
      if (isCopy !== true || !isLeftToGroup(thrown)) throw thrown;
      return this.#get(name, signal);
    }
  }

  async remove(name: string, tag: string, signal: AbortSignal): Promise<void> {
    const found = await this.find(name, signal);
    if (found !== undefined) await (await this.delete(found, tag, signal))();
  }

  async delete(found: ArrayVolume, tag: string, signal: AbortSignal): Promise<ReadBack<void>> {
    const { name, comment } = found;
    if (!isTaggedAs(comment, tag)) throw this.#foreign(found, 'it is not removed');
    const readBack = await beginSo(
      {
        act: async () => this.#wsapi.change({ method: 'DELETE', path: `volumes/${segment(name)}` }, signal),
        read: async () => this.find(name, signal),
        isDone: (state) => state === undefined,
        notDone: () => this.#notDone(`the removal of volume ${name}`, 'the volume is still there'),
      },
      signal,
    );
    return async () => void (await readBack());
  }

  async #get(name: string, signal: AbortSignal): Promise<ArrayVolume> {
    const found = await this.find(name, signal);
    if (found === undefined) throw new DriverError('not-found', `${this.#wsapi.label} has no volume ${name}`);
    return found;
  }

  #foreign(found: ArrayVolume, consequence: string): DriverError {
    const comment = found.comment === '' ? 'no comment' : `the comment ${JSON.stringify(found.comment)}`;
    return new DriverError(
      'refused',
      `volume ${found.name} on ${this.#wsapi.label} is not ours: it has ${comment}; ${consequence}`,
      { next: `see whose it is with: showvv -d ${found.name}` },
    );
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the events of the array with: showeventlog -min 10',
    });
  }
}

/** That it is for the other array to say has no number in any source. */
const isLeftToGroup = (thrown: unknown): boolean =>
  thrown instanceof ArrayRefusal && thrown.status === 403 && !LASTING.has(thrown.number ?? 0);

function createBody(wanted: CreateVolume): Record<string, unknown> {
  return {
    name: safeName(wanted.name),
    cpg: wanted.cpg,
    snapCPG: wanted.snapCpg,
    sizeMiB: wanted.sizeMiB,
    tpvv: wanted.provisioning === 'thin',
    // Arrays before 3.2.1 MU2 do not know these members, so they go only where they say something (reference 1.3).
    ...(wanted.provisioning === 'dedup' ? { tdvv: true } : {}),
    ...(wanted.compression ? { compression: true } : {}),
    comment: wanted.tag,
  };
}

/** The answer in our words. */
export function toVolume(answer: VolumeAnswer): ArrayVolume {
  return {
    name: answer.name,
    wwn: answer.wwn.toLowerCase(),
    sizeMiB: answer.sizeMiB,
    provisioning: PROVISIONING[answer.provisioningType] ?? 'other',
    compression: answer.compressionState === COMPRESSED,
    cpg: answer.userCPG,
    snapCpg: answer.snapCPG,
    comment: answer.comment ?? '',
  };
}

function differencesOf(wanted: CreateVolume, found: ArrayVolume): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['comment', wanted.tag, isTaggedAs(found.comment, wanted.tag) ? wanted.tag : found.comment],
    ['size in MiB', wanted.sizeMiB, found.sizeMiB],
    ['provisioning', wanted.provisioning, found.provisioning],
    ['compression', wanted.compression, found.compression],
    ['CPG', wanted.cpg, found.cpg],
    ['snapshot CPG', wanted.snapCpg, found.snapCpg],
  ];
  return pairs
    .filter(([, want, is]) => want !== is)
    .map(([what, want, is]) => `${what} is ${JSON.stringify(is) ?? 'unset'} instead of ${JSON.stringify(want)}`);
}
