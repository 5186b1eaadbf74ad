import { z } from 'zod';
import type { Admission, CreateGroup, RemoteCopy } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { DriverError } from '../domain/errors.js';
import type { RemoteCopyGroup } from '../domain/replication.js';
import { ArrayRefusal } from './codes.js';
import { groupDifferences, isMember, isStarted, isStarting, isStopped, MODE_NUMBER, toGroup } from './groups.js';
import { makeSo } from './make-so.js';
import { safeName, segment } from './paths.js';
import { groupAnswer, linkAnswer, listOf, partnerAnswer } from './schemas.js';
import type { Change, Wsapi } from './wsapi.js';

/** Numbers of reference 2.2. */
const INV_INPUT = 12;
const NON_EXISTENT_RCOPY_GROUP = 187;

/** Member changes, start and stop of reference 6.2. The numbers that move roles (6 to 11) are not here on purpose (rule 6). */
const ADMIT = 1;
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
  async ensureGroup(wanted: CreateGroup, signal: AbortSignal): Promise<RemoteCopyGroup> {
    const { name } = wanted;
    let made = false;
    let refused = false;
    const create = { method: 'POST', path: 'remotecopygroups', body: createBody(wanted) } as const;
    const group = await makeSo(
      {
        act: async () => {
          await this.#wsapi.change(create, signal).catch((thrown: unknown) => {
            refused = thrown instanceof ArrayRefusal && thrown.code !== 'unknown-outcome';
            throw thrown;
          });
          made = true;
          await this.#applySettings(wanted, signal);
        },
        read: async () => this.findGroup(name, signal),
        isDone: (found) => found !== undefined,
        notDone: () => this.#notDone(`the creation of remote copy group ${name}`, 'there is no such group'),
      },
      signal,
    );
    if (group === undefined) throw new DriverError('internal', `group ${name} was made, and is not there`);
    const differences = groupDifferences(wanted, group);
    if (made && differences.length > 0) {
      throw this.#notDone(`the creation of remote copy group ${name}`, differences.join(', '));
    }
    if (refused || differences.length > 0) {
      const message = [`${this.#wsapi.label} has a remote copy group ${name} already`, ...differences].join(', ');
      throw new DriverError('exists', message, {
        next: `see it with: showrcopy groups ${name}; choose another replicationGroup`,
      });
    }
    return this.#withSettings(wanted, group, signal);
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
    if (!isStopped(group)) await this.stopGroup(name, signal);
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

  async admit(admission: Admission, signal: AbortSignal): Promise<RemoteCopyGroup> {
    const { group: name, volume } = admission;
    const group = await makeSo(
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
    return group ?? this.#missing(name);
  }

  async dismiss(name: string, volume: string, signal: AbortSignal): Promise<void> {
    await makeSo(
      {
        act: async () => this.#wsapi.change(actionOn(name, { action: DISMISS, volumeName: safeName(volume) }), signal),
        read: async () => this.findGroup(name, signal),
        isDone: (found) => found === undefined || !isMember(found, volume),
        notDone: () => this.#notDone(`the dismissal of ${volume} from group ${name}`, 'it is still a member'),
      },
      signal,
    );
  }

  async startGroup(name: string, signal: AbortSignal): Promise<void> {
    await makeSo(
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
  async stopGroup(name: string, signal: AbortSignal): Promise<void> {
    await makeSo(
      {
        act: async () => this.#wsapi.change(actionOn(name, { action: STOP }), signal),
        read: async () => this.findGroup(name, signal),
        isDone: (seen) => seen === undefined || isStopped(seen),
        notDone: (seen) => this.#notDone(`the stop of group ${name}`, `it is ${statesOf(seen)}`),
      },
      signal,
    );
  }

  async #getGroup(name: string, signal: AbortSignal): Promise<RemoteCopyGroup> {
    return (await this.findGroup(name, signal)) ?? this.#missing(name);
  }

  #missing(name: string): never {
    throw new DriverError('not-found', `${this.#wsapi.label} has no remote copy group ${name}`);
  }

  /** Arrays that do not know `differentSecondaryWWN` refuse the whole request; the copy then shares the WWN (rule 9). */
  async #admit(admission: Admission, signal: AbortSignal): Promise<void> {
    try {
      await this.#wsapi.change(admitChange(admission, admission.differentSecondaryWwn), signal);
    } catch (thrown) {
      const unknownMember = thrown instanceof ArrayRefusal && thrown.status === 400 && thrown.number === INV_INPUT;
      if (!unknownMember || !admission.differentSecondaryWwn) throw thrown;
      this.#logger.warn('the array cannot give the copy a WWN of its own; both copies have the same', {
        array: this.#wsapi.label,
        group: admission.group,
        volume: admission.volume,
      });
      await this.#wsapi.change(admitChange(admission, false), signal);
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

  /** Settings that were lost with an answer. */
  async #withSettings(wanted: CreateGroup, group: RemoteCopyGroup, signal: AbortSignal): Promise<RemoteCopyGroup> {
    const isSet = (found: RemoteCopyGroup): boolean => hasSettings(found, wanted);
    if (isSet(group)) return group;
    return makeSo(
      {
        act: async () => this.#applySettings(wanted, signal),
        read: async () => this.#getGroup(wanted.name, signal),
        isDone: isSet,
        notDone: () => this.#notDone(`the policies and period of group ${wanted.name}`, 'it has others'),
      },
      signal,
    );
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#wsapi.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the remote copy groups with: showrcopy, and the events with: showeventlog -min 10',
    });
  }
}

/**
 * What a group gets besides its shape: it starts again by itself when the links are back, with peer persistence it fails over
 * by itself and both arrays show its members, and a periodic one has its period. Policies and period are refused in one request (reference 6.2).
 */
function settingsOf({ mode, syncPeriod, failsOver }: CreateGroup): Record<string, unknown>[] {
  const peerPersistence = failsOver === true ? { autoFailover: true, pathManagement: true } : {};
  const policies = { policies: { autoRecover: true, ...peerPersistence } };
  return mode === 'asynchronous' && syncPeriod !== undefined ? [policies, { syncPeriod }] : [policies];
}

function hasSettings(found: RemoteCopyGroup, wanted: CreateGroup): boolean {
  const { target: name, mode, syncPeriod, failsOver } = wanted;
  const target = found.targets.find((each) => each.name === name);
  const period = mode !== 'asynchronous' || syncPeriod === undefined || target?.syncPeriod === syncPeriod;
  const isAsWanted = failsOver !== true || (target?.autoFailover === true && target.pathManagement);
  return period && isAsWanted && target?.autoRecover === true;
}

const pathOf = (group: string): string => `remotecopygroups/${segment(group)}`;

const actionOn = (group: string, body: Record<string, unknown>): Change => ({
  method: 'PUT',
  path: pathOf(group),
  body,
});

const statesOf = (group: RemoteCopyGroup | undefined): string =>
  group?.targets.map((target) => target.state).join(', ') ?? 'gone';

const createBody = (wanted: CreateGroup): Record<string, unknown> => ({
  name: safeName(wanted.name),
  targets: [
    {
      targetName: wanted.target,
      mode: MODE_NUMBER[wanted.mode],
      userCPG: wanted.remoteCpg,
      snapCPG: wanted.remoteSnapCpg,
    },
  ],
  localUserCPG: wanted.localCpg,
  localSnapCPG: wanted.localSnapCpg,
  ...(wanted.domain === undefined ? {} : { domain: wanted.domain }),
});

const admitChange = ({ group, volume, target }: Admission, differentSecondaryWWN: boolean): Change =>
  actionOn(group, {
    action: ADMIT,
    volumeName: safeName(volume),
    targets: [{ targetName: target, secVolumeName: volume }],
    volumeAutoCreation: true,
    ...(differentSecondaryWWN ? { differentSecondaryWWN: true } : {}),
  });
