import { z } from 'zod';
import type { Admission, CreateGroup, NewGroup, ReadBack, RemoteCopy } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { RemoteCopyGroup } from '../domain/replication.js';
import { ArrayRefusal } from './codes.js';
import { admitBody, createBody, hasSettings, settingsOf } from './group-bodies.js';
import { groupDifferences, isMember, isStarted, isStarting, isStopped, toGroup } from './groups.js';
import { beginSo, makeSo, type WantedState } from './make-so.js';
import { safeName, segment } from './paths.js';
import { groupAnswer, linkAnswer, listOf, partnerAnswer } from './schemas.js';
import type { Change, Wsapi } from './wsapi.js';

/** Numbers of reference 2.2. */
const INV_INPUT = 12;
const NON_EXISTENT_RCOPY_GROUP = 187;
const RCOPY_GROUP_STARTED = 215;

/** Member changes, start and stop of reference 6.2. The numbers that move roles (6 to 11) are not here on purpose (rule 6). */
const DISMISS = 2;
const START = 3;
const STOP = 4;

/** `status` of a remote copy link that works. */
const LINK_UP = 1;

/** Remote copy groups of one array, by WSAPI. */
export class WsapiRemoteCopy implements RemoteCopy {
  readonly #wsapi: Wsapi;
  readonly #logger: Logger;

  constructor(wsapi: Wsapi, logger: Logger) {
    this.#wsapi = wsapi;
    this.#logger = logger;
  }

  async findGroup(name: string, signal: AbortSignal): Promise<RemoteCopyGroup | undefined> {
    const schema = groupAnswer.extend({ name: z.literal(name) });
    const read = { path: pathOf(name), schema, absent: [NON_EXISTENT_RCOPY_GROUP] };
    const answer = await this.#wsapi.find(read, signal);
    return answer && toGroup(answer);
  }

  /** A group of somebody else that cannot be understood hides none of ours. */
  async listGroups(signal: AbortSignal): Promise<RemoteCopyGroup[]> {
    const answers = await this.#wsapi.get({ path: 'remotecopygroups', schema: listOf(z.unknown()) }, signal);
    return answers.flatMap((answer) => {
      const parsed = groupAnswer.safeParse(answer);
      if (parsed.success) return [toGroup(parsed.data)];
      this.#logger.debug('a remote copy group cannot be understood', { array: this.#wsapi.label });
      return [];
    });
  }

  /** The target can be reached while one of its links is up (reference 6.1: a link is called `<target>_<N>_<S>_<P>`). */
  async linksUp(target: string, signal: AbortSignal): Promise<boolean | undefined> {
    const links = await this.#wsapi.get({ path: 'remotecopylinks', schema: listOf(linkAnswer) }, signal);
    const own = links.filter((link) => (link.targetName ?? link.name?.replace(/_\d+_\d+_\d+$/, '')) === target);
    return own.length === 0 ? undefined : own.some((link) => link.status === LINK_UP);
  }

  async findWitness(target: string, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#wsapi
      .get({ path: `remotecopytargets/${segment(target)}`, schema: partnerAnswer }, signal)
      .catch((thrown: unknown) => {
        // The number that arrays give to this is not published.
        if (thrown instanceof ArrayRefusal && thrown.status === 404) return undefined;
        throw thrown;
      });
    return found?.quorumIpAddress === '' ? undefined : found?.quorumIpAddress;
  }

  /** After a lost answer a new group of the wanted shape is ours; after a refusal whatever is there is somebody else's. */
  async makeGroup(wanted: CreateGroup, signal: AbortSignal): Promise<NewGroup> {
    const { name } = wanted;
    let made = false;
    let refused = false;
    const create = { method: 'POST', path: 'remotecopygroups', body: createBody(wanted) } as const;
    const readBack = await beginSo(
      {
        act: async () => {
          await this.#wsapi.change(create, signal).catch((thrown: unknown) => {
            refused = thrown instanceof ArrayRefusal && thrown.code !== 'unknown-outcome';
            throw thrown;
          });
          made = true;
        },
        read: async () => this.findGroup(name, signal),
        isDone: (found) => found !== undefined,
        notDone: () => this.#notMade(wanted, 'there is no such group'),
      },
      signal,
    );
    if (made) return this.#newGroup(wanted, signal);
    const group = await readBack();
    const differences = group === undefined ? [] : groupDifferences(wanted, group, { isEmpty: true });
    if (!refused && differences.length === 0) return this.#newGroup(wanted, signal);
    const message = [`${this.#wsapi.label} has a remote copy group ${name} already`, ...differences].join(', ');
    throw new DriverError('exists', message, {
      next: `see it with: showrcopy groups ${name}; choose another replicationGroup`,
    });
  }

  resumeGroup(wanted: CreateGroup, signal: AbortSignal): NewGroup {
    return this.#newGroup(wanted, signal);
  }

  #newGroup(wanted: CreateGroup, signal: AbortSignal): NewGroup {
    const settings = {
      act: async () => this.#applySettings(wanted, signal),
      read: async () => this.#getGroup(wanted.name, signal),
      isDone: (found: RemoteCopyGroup) => hasSettings(found, wanted),
      notDone: () => this.#notDone(`the policies and period of group ${wanted.name}`, 'it has others'),
    };
    const confirm = async (found: RemoteCopyGroup | undefined): Promise<RemoteCopyGroup> => {
      if (found === undefined) throw this.#notMade(wanted, 'there is no such group');
      const differences = groupDifferences(wanted, found, { isEmpty: false });
      if (differences.length > 0) throw this.#notMade(wanted, differences.join(', '));
      return hasSettings(found, wanted) ? found : makeSo(settings, signal);
    };
    const set = async (): Promise<void> => {
      try {
        await settings.act();
      } catch (thrown) {
        if (asDriverError(thrown).code === 'unavailable') throw thrown;
        await confirm(await this.findGroup(wanted.name, signal));
      }
    };
    return { set, confirm };
  }

  async removeGroup(name: string, signal: AbortSignal): Promise<void> {
    const group = await this.findGroup(name, signal);
    if (group === undefined) return;
    if (group.members.length > 0) {
      const members = group.members.map((member) => member.volume).join(', ');
      throw new DriverError(
        'refused',
        `remote copy group ${name} on ${this.#wsapi.label} still has members: ${members}`,
        {
          next: `see them with: showrcopy groups ${name}`,
        },
      );
    }
    if (!isStopped(group)) await (await this.stopGroup(name, signal))();
    await makeSo(
      {
        act: async () => this.#wsapi.change({ method: 'DELETE', path: pathOf(name) }, signal),
        read: async () => this.findGroup(name, signal),
        isDone: (state) => state === undefined,
        notDone: () => this.#notDone(`the removal of remote copy group ${name}`, 'the group is still there'),
      },
      signal,
    );
  }

  async admit(admission: Admission, signal: AbortSignal): Promise<void> {
    const { group: name, volume } = admission;
    await beginSo(
      {
        act: async () => {
          await this.#admit(admission, signal);
        },
        read: async () => this.findGroup(name, signal),
        isDone: (found) => found !== undefined && isMember(found, volume),
        notDone: () => this.#notDone(`the admission of ${volume} to group ${name}`, 'it is no member'),
      },
      signal,
    );
  }

  async dismiss(name: string, volume: string, signal: AbortSignal): Promise<ReadBack<void>> {
    const readBack = await beginSo(
      {
        act: async () => this.#changeMembers(name, { action: DISMISS, volumeName: safeName(volume) }, signal),
        read: async () => this.findGroup(name, signal),
        isDone: (found) => found === undefined || !isMember(found, volume),
        notDone: () => this.#notDone(`the dismissal of ${volume} from group ${name}`, 'it is still a member'),
      },
      signal,
    );
    return async () => void (await readBack());
  }

  async startGroup(name: string, signal: AbortSignal): Promise<ReadBack<RemoteCopyGroup>> {
    return beginSo(
      {
        act: async () => this.#wsapi.change(actionOn(name, { action: START }), signal),
        read: async () => this.#getGroup(name, signal),
        isDone: isStarted,
        notDone: (seen) => this.#notDone(`the start of group ${name}`, `it is ${statesOf(seen)}`),
        isUnderWay: isStarting,
      },
      signal,
    );
  }

  /** Nothing is copied by a group that is gone. */
  async stopGroup(name: string, signal: AbortSignal): Promise<ReadBack<void>> {
    const stop = async (): Promise<unknown> => this.#wsapi.change(actionOn(name, { action: STOP }), signal);
    const readBack = await beginSo(this.#stopped(name, stop, signal), signal);
    return async () => void (await readBack());
  }

  #stopped(name: string, act: () => Promise<unknown>, signal: AbortSignal): WantedState<RemoteCopyGroup | undefined> {
    return {
      act,
      read: async () => this.findGroup(name, signal),
      isDone: (seen) => seen === undefined || isStopped(seen),
      notDone: (seen) => this.#notDone(`the stop of group ${name}`, `it is ${statesOf(seen)}`),
    };
  }

  /** Whose group is still started is asked for once more when its stop was seen: it was acknowledged, and is not read back before. */
  async #changeMembers(name: string, body: Record<string, unknown>, signal: AbortSignal): Promise<void> {
    try {
      await this.#wsapi.change(actionOn(name, body), signal);
    } catch (thrown) {
      const isStartedStill = thrown instanceof ArrayRefusal && thrown.number === RCOPY_GROUP_STARTED;
      if (!isStartedStill) throw thrown;
      await makeSo(
        this.#stopped(name, async () => Promise.resolve(), signal),
        signal,
      ).catch(() => {
        throw thrown;
      });
      await this.#wsapi.change(actionOn(name, body), signal);
    }
  }

  async #getGroup(name: string, signal: AbortSignal): Promise<RemoteCopyGroup> {
    return (await this.findGroup(name, signal)) ?? this.#missing(name);
  }

  #missing(name: string): never {
    throw new DriverError('not-found', `${this.#wsapi.label} has no remote copy group ${name}`);
  }

  /**
   * Arrays that do not know a member refuse the whole request: without `differentSecondaryWWN` the copy shares the WWN (rule 9),
   * without `skipInitialSync` zeroes are copied.
   */
  async #admit(admission: Admission, signal: AbortSignal): Promise<void> {
    const { group, volume, differentSecondaryWwn, isBlank } = admission;
    try {
      await this.#changeMembers(group, admitBody(admission), signal);
    } catch (thrown) {
      const isUnknownMember = thrown instanceof ArrayRefusal && thrown.status === 400 && thrown.number === INV_INPUT;
      if (!isUnknownMember || !(differentSecondaryWwn || isBlank)) throw thrown;
      if (isBlank) return this.#admit({ ...admission, isBlank: false }, signal);
      const array = this.#wsapi.label;
      this.#logger.warn('the array cannot give the copy a WWN of its own; both copies have the same', {
        array,
        group,
        volume,
      });
      await this.#admit({ ...admission, differentSecondaryWwn: false }, signal);
    }
  }

  async #applySettings(wanted: CreateGroup, signal: AbortSignal): Promise<void> {
    for (const setting of settingsOf(wanted)) {
      const body = { targets: [{ targetName: wanted.target, ...setting }] };
      try {
        await this.#wsapi.change({ method: 'PUT', path: pathOf(wanted.name), body }, signal);
      } catch (thrown) {
        // A creation that was acknowledged but not done: the read-back that follows says so in better words.
        if (thrown instanceof ArrayRefusal && thrown.code === 'not-found') return;
        throw thrown;
      }
    }
  }

  #notMade({ name }: CreateGroup, seen: string): DriverError {
    return this.#notDone(`the creation of remote copy group ${name}`, seen);
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the remote copy groups with: showrcopy, and the events with: showeventlog -min 10',
    });
  }
}

const pathOf = (group: string): string => `remotecopygroups/${segment(group)}`;

const actionOn = (group: string, body: Record<string, unknown>): Change => ({
  method: 'PUT',
  path: pathOf(group),
  body,
});

const statesOf = (group: RemoteCopyGroup | undefined): string =>
  group?.targets.map((target) => target.state).join(', ') ?? 'gone';
