import type { Logger } from '../contracts/log.js';
import { asDriverError } from '../domain/errors.js';
import type { Group, RemoteCopyGroup, Side } from '../domain/replication.js';
import { within } from '../domain/signals.js';
import type { Backend } from './backend.js';
import type { BackendManager } from './manager.js';
import type { GroupObservation } from './observe.js';
import { Rounds } from './rounds.js';

const POLL_INTERVAL_MS = 15_000;
const POLL_TIMEOUT_MS = 10_000;

type Answer = { groups: RemoteCopyGroup[]; failure?: undefined } | { groups?: undefined; failure: string };

export interface PolledGroup {
  observation: GroupObservation;
  /** Age of the answers in whole seconds. */
  ageSeconds: number;
}

/**
 * Asks both arrays of every backend that has groups on record, now and then, so that Get can say how replication is
 * without an array call (rule 40). What it knows is for people only; no decision is ever made from it (rule 2).
 */
export class StatusPoll {
  readonly #backends: BackendManager;
  readonly #knownGroups: () => Promise<Group[]>;
  readonly #logger: Logger;
  readonly #answers = new Map<string, { at: number; sides: Record<Side, Answer> }>();
  readonly #rounds = new Rounds(async (signal) => this.#poll(signal), POLL_INTERVAL_MS);

  constructor(backends: BackendManager, knownGroups: () => Promise<Group[]>, logger: Logger) {
    this.#backends = backends;
    this.#knownGroups = knownGroups;
    this.#logger = logger;
  }

  start(): void {
    this.#rounds.start();
  }

  /** One more round after the one that may be under way; returns at once. */
  refresh(): void {
    this.#rounds.trigger();
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** What was last heard of a group; undefined before the first round. */
  find(group: Group): PolledGroup | undefined {
    const answers = this.#answers.get(group.backend);
    if (answers === undefined) return undefined;
    const observation: GroupObservation = { groups: {}, failures: {} };
    for (const side of ['primary', 'secondary'] as const) {
      const answer = answers.sides[side];
      const name = side === 'primary' ? group.name : group.remoteName;
      const found = answer.groups?.find((each) => each.name === name);
      if (found !== undefined) observation.groups[side] = found;
      else if (answer.failure === undefined)
        observation.failures[side] = { silent: false, text: `has no group ${name}` };
      else observation.failures[side] = { silent: true, text: answer.failure };
    }
    return { observation, ageSeconds: Math.round((performance.now() - answers.at) / 1000) };
  }

  async #poll(signal: AbortSignal): Promise<void> {
    try {
      const names = new Set((await this.#knownGroups()).map((group) => group.backend));
      await Promise.all(
        [...names].map(async (name) => {
          const backend = this.#backends.find(name);
          if (backend?.settings.replication !== undefined) await this.#ask(backend, signal);
        }),
      );
    } catch (thrown) {
      this.#logger.debug('replication status was not polled', { reason: asDriverError(thrown).message });
    }
  }

  async #ask(backend: Backend, signal: AbortSignal): Promise<void> {
    const at = performance.now();
    const bounded = within(POLL_TIMEOUT_MS, signal);
    const ask = async (side: Side): Promise<Answer> => {
      try {
        return { groups: await backend.array(side).remoteCopy.listGroups(bounded) };
      } catch (thrown) {
        return { failure: asDriverError(thrown).message };
      }
    };
    const [primary, secondary] = await Promise.all([ask('primary'), ask('secondary')]);
    this.#answers.set(backend.name, { at, sides: { primary, secondary } });
  }
}
