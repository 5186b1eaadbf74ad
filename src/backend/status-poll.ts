import type { ArrayClient } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError } from '../domain/errors.js';
import type { Group, RemoteCopyGroup, Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { BackendManager } from './manager.js';
import type { GroupObservation } from './observe.js';
import { Rounds } from './rounds.js';

const POLL_INTERVAL_MS = 15_000;
const POLL_TIMEOUT_MS = 10_000;
/** Verbs come in swarms, and one round tells what became of all of them. */
const GATHER_MS = 1_000;
/** The longest time in which a silent array is left alone; well below that of protection-watch.ts, in which nobody looks. */
const LONGEST_REST_MS = 120_000;

/** What one array said, or why it said nothing. */
interface Heard {
  /** When it was asked; monotonic, ms. */
  at: number;
  /** Who asked, in the words of the failure. */
  label: string;
  groups?: RemoteCopyGroup[];
  failure?: string;
  /** Since when nobody got an answer, as far as this poll knows; monotonic, ms. */
  silentSince?: number;
}

export interface PolledGroup {
  observation: GroupObservation;
  /** Since each array was asked, in whole seconds: a silent one is asked less often, one that answers in every round. */
  ageSeconds: Record<Side, number>;
}

/** Age in whole seconds of the newer half; what is older is a silence. */
export const newestOf = ({ ageSeconds }: PolledGroup): number => Math.min(ageSeconds.primary, ageSeconds.secondary);

/**
 * Asks both arrays of every backend that has groups on record, now and then, so that Get can say how replication is
 * without an array call (rule 40). What it knows is for people only; no decision is ever made from it (rule 2).
 * An array is asked once in an interval, however many groups and backends it has. One that is silent is left alone for as
 * long as it has been silent, two minutes at most, or until it answers anybody.
 */
export class StatusPoll {
  readonly #backends: BackendManager;
  readonly #knownGroups: () => Promise<Group[]>;
  readonly #logger: Logger;
  /** By the access to the array, which backends may share. */
  readonly #arrays = new WeakMap<object, Heard>();
  /** By backend; of both arrays at once, so that an old answer of one never stands beside a new one of the other. */
  readonly #pairs = new Map<string, Record<Side, Heard>>();
  readonly #rounds = new Rounds(async (signal) => this.#poll(signal), POLL_INTERVAL_MS);
  /** The next round asks silent arrays, too. */
  #asksAll = false;
  #gathering: NodeJS.Timeout | undefined;

  constructor(backends: BackendManager, knownGroups: () => Promise<Group[]>, logger: Logger) {
    this.#backends = backends;
    this.#knownGroups = knownGroups;
    this.#logger = logger;
  }

  start(): void {
    this.#rounds.start();
  }

  /** One more round soon, after the one that may be under way, of all arrays; returns at once. */
  refresh(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#asksAll = true;
      this.#rounds.trigger();
    }, GATHER_MS).unref();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#gathering);
    await this.#rounds.stop();
  }

  /** What was last heard of a group; undefined before the first round. */
  find(group: Group): PolledGroup | undefined {
    const pair = this.#pairs.get(group.backend);
    if (pair === undefined) return undefined;
    const observation: GroupObservation = { groups: {}, failures: {} };
    for (const side of ['primary', 'secondary'] as const) {
      const { groups, failure } = pair[side];
      const name = side === 'primary' ? group.name : group.remoteName;
      const found = groups?.find((each) => each.name === name);
      if (found !== undefined) observation.groups[side] = found;
      else if (failure === undefined) observation.failures[side] = { silent: false, text: `has no group ${name}` };
      else observation.failures[side] = { silent: true, text: failure };
    }
    return { observation, ageSeconds: { primary: ageOf(pair.primary), secondary: ageOf(pair.secondary) } };
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const asksAll = this.#asksAll;
    this.#asksAll = false;
    const asked = new Map<object, Promise<Heard>>();
    const hear = async (array: ArrayClient): Promise<Heard> => {
      const known = this.#arrays.get(array.access());
      if (known !== undefined && !asksAll && isResting(array, known)) return known;
      const asking = asked.get(array.access()) ?? this.#ask(array, signal);
      asked.set(array.access(), asking);
      return asking;
    };
    try {
      const names = new Set((await this.#knownGroups()).map((group) => group.backend));
      await Promise.all(
        [...names].map(async (name) => {
          const backend = this.#backends.find(name);
          if (backend?.settings.replication === undefined) return;
          const arrays = [backend.array('primary'), backend.array('secondary')] as const;
          const [primary, secondary] = await Promise.all([hear(arrays[0]), hear(arrays[1])]);
          this.#pairs.set(name, { primary: asTold(primary, arrays[0]), secondary: asTold(secondary, arrays[1]) });
        }),
      );
    } catch (thrown) {
      this.#logger.debug('replication status was not polled', { reason: asDriverError(thrown).message });
    }
  }

  async #ask(array: ArrayClient, signal: AbortSignal): Promise<Heard> {
    const { label } = array;
    const at = performance.now();
    const known = this.#arrays.get(array.access());
    const silentSince = known === undefined || wasHeard(array, known) ? at : (known.silentSince ?? at);
    const heard: Heard = await array.remoteCopy.listGroups(within(POLL_TIMEOUT_MS, signal)).then(
      (groups) => ({ at, label, groups }),
      (thrown: unknown) => ({ at, label, failure: asDriverError(thrown).message, silentSince }),
    );
    // The access of before may have become another one, with the first call.
    this.#arrays.set(array.access(), heard);
    return heard;
  }
}

const ageOf = ({ at }: Heard): number => Math.round((performance.now() - at) / 1000);

/** It was not yet left alone for as long as it has been silent, and has answered nobody meanwhile. */
function isResting(array: ArrayClient, known: Heard): boolean {
  const { at, silentSince } = known;
  if (silentSince === undefined || wasHeard(array, known)) return false;
  const rest = Math.min(at - silentSince, LONGEST_REST_MS);
  // A round comes at its time give or take a little.
  return performance.now() - at < rest - POLL_INTERVAL_MS / 2;
}

/** Somebody was answered since the poll has asked. */
function wasHeard(array: ArrayClient, { at }: Heard): boolean {
  const contact = array.lastContact();
  return contact !== undefined && contact.failure === undefined && contact.at > at;
}

/** By the name that the array has for this backend. */
const asTold = (heard: Heard, { label }: ArrayClient): Heard =>
  heard.failure === undefined ? heard : { ...heard, label, failure: heard.failure.replaceAll(heard.label, label) };
