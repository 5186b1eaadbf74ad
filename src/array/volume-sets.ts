import { z } from 'zod';
import type { CachedSet, VolumeSet, VolumeSets } from '../contracts/volume-sets.js';
import { DriverError } from '../domain/errors.js';
import { isTaggedAs } from '../domain/tag.js';
import { makeSo } from './make-so.js';
import { safeName, segment } from './paths.js';
import { setAnswer, type SetAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** Numbers of reference 2.2. */
const NON_EXISTENT_QOS_RULE = 100;
const NON_EXISTENT_SET = 102;

/** Member changes and policies of reference 4.6. */
const ADD = 1;
const REMOVE = 2;
const FLASH_CACHE_ON = 1;

/** Volume sets of one array, by WSAPI. */
export class WsapiVolumeSets implements VolumeSets {
  readonly #wsapi: Wsapi;

  constructor(wsapi: Wsapi) {
    this.#wsapi = wsapi;
  }

  async findSet(name: string, signal: AbortSignal): Promise<VolumeSet | undefined> {
    const schema = setAnswer.extend({ name: z.literal(name) });
    const answer = await this.#wsapi.find({ path: pathOf(name), schema, absent: [NON_EXISTENT_SET] }, signal);
    return answer && toSet(answer);
  }

  async hasQosRule(set: string, signal: AbortSignal): Promise<boolean> {
    const read = { path: `qos/${segment(`vvset:${set}`)}`, schema: z.object({}), absent: [NON_EXISTENT_QOS_RULE] };
    return (await this.#wsapi.find(read, signal)) !== undefined;
  }

  async ensureMember(set: string, volume: string, signal: AbortSignal): Promise<void> {
    if (isMember(await this.#get(set, signal), volume)) return;
    await makeSo(
      {
        act: async () => this.#change(set, { action: ADD, setmembers: [safeName(volume)] }, signal),
        read: async () => this.#get(set, signal),
        isDone: (found) => isMember(found, volume),
        notDone: () => this.#notDone(`that volume ${volume} joined volume set ${set}`, 'it is no member'),
      },
      signal,
    );
  }

  async removeMember(set: string, volume: string, signal: AbortSignal): Promise<void> {
    if (!isMember(await this.findSet(set, signal), volume)) return;
    await makeSo(
      {
        act: async () => this.#change(set, { action: REMOVE, setmembers: [safeName(volume)] }, signal),
        read: async () => this.findSet(set, signal),
        isDone: (found) => !isMember(found, volume),
        notDone: () => this.#notDone(`that volume ${volume} left volume set ${set}`, 'it is still a member'),
      },
      signal,
    );
  }

  async ensureCachedSet(wanted: CachedSet, signal: AbortSignal): Promise<void> {
    const { name, tag, volume, domain } = wanted;
    const body = {
      name: safeName(name),
      comment: tag,
      setmembers: [safeName(volume)],
      ...(domain === undefined ? {} : { domain }),
    };
    const made = await makeSo<VolumeSet | undefined>(
      {
        act: async () => this.#wsapi.change({ method: 'POST', path: 'volumesets', body }, signal),
        read: async () => this.findSet(name, signal),
        isDone: (found) => found !== undefined,
        notDone: () => this.#notDone(`the creation of volume set ${name}`, 'there is no such set'),
      },
      signal,
    );
    if (made === undefined || !isTaggedAs(made.comment, tag) || made.members.join() !== volume)
      throw this.#another(name, made);
    if (!made.flashCache) await this.#switchOn(name, signal);
  }

  async removeSet(name: string, tag: string, signal: AbortSignal): Promise<void> {
    const found = await this.findSet(name, signal);
    if (found === undefined) return;
    if (!isTaggedAs(found.comment, tag)) {
      const text = `volume set ${name} on ${this.#wsapi.label} is not ours: its comment is ${JSON.stringify(found.comment)}; it is not removed`;
      throw new DriverError('refused', text, { next: `see whose it is with: showvvset -d ${name}` });
    }
    await makeSo(
      {
        act: async () => this.#wsapi.change({ method: 'DELETE', path: pathOf(name) }, signal),
        read: async () => this.findSet(name, signal),
        isDone: (state) => state === undefined,
        notDone: () => this.#notDone(`the removal of volume set ${name}`, 'the set is still there'),
      },
      signal,
    );
  }

  async #switchOn(name: string, signal: AbortSignal): Promise<void> {
    await makeSo(
      {
        act: async () => this.#change(name, { flashCachePolicy: FLASH_CACHE_ON }, signal),
        read: async () => this.findSet(name, signal),
        isDone: (found) => found?.flashCache === true,
        notDone: () => this.#notDone(`that volume set ${name} may use the flash cache`, 'its policy is off'),
      },
      signal,
    );
  }

  async #change(set: string, body: Record<string, unknown>, signal: AbortSignal): Promise<void> {
    await this.#wsapi.change({ method: 'PUT', path: pathOf(set), body }, signal);
  }

  async #get(name: string, signal: AbortSignal): Promise<VolumeSet> {
    const found = await this.findSet(name, signal);
    if (found !== undefined) return found;
    throw new DriverError('not-found', `${this.#wsapi.label} has no volume set ${name}`, {
      next: 'see the volume sets with: showvvset',
    });
  }

  #another(name: string, found: VolumeSet | undefined): DriverError {
    const seen = `the comment ${JSON.stringify(found?.comment)} and the members ${found?.members.join(', ') ?? ''}`;
    return new DriverError('exists', `${this.#wsapi.label} has another volume set ${name}, with ${seen}`, {
      next: `see whose it is with: showvvset -d ${name}`,
    });
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the events of the array with: showeventlog -min 10',
    });
  }
}

const pathOf = (name: string): string => `volumesets/${segment(name)}`;

const isMember = (set: VolumeSet | undefined, volume: string): boolean => set?.members.includes(volume) === true;

const toSet = (answer: SetAnswer): VolumeSet => ({
  name: answer.name,
  members: answer.setmembers ?? [],
  comment: answer.comment ?? '',
  ...(answer.domain === undefined ? {} : { domain: answer.domain }),
  flashCache: answer.flashCachePolicy === FLASH_CACHE_ON,
});
