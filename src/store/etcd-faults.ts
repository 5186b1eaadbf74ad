import {
  BrokenCircuitError,
  ConstantBackoff,
  handleWhen,
  isBrokenCircuitError,
  NoopPolicy,
  noop,
  retry,
} from 'cockatiel';
import { GRPCDeadlineExceededError, GRPCUnavailableError, GRPCUnknownError, type IOptions } from 'etcd3';
import { setTimeout as pause } from 'node:timers/promises';

type Execute = NoopPolicy['execute'];

/** Between two attempts of one call. */
const PAUSE_MS = 150;
/** A member that failed is passed over for so long, unless all have. */
const REST_MS = 3_000;

/**
 * The client's own policies count an answer that is too large as a fault of the host and shut it out for 5 s, and repeat
 * calls to a host that hangs. Its library's circuit breaker goes by the wall clock, and refuses all calls when every member
 * has failed once, as they do for a moment when the leader is lost. Ours: with one host no more than a repeat of what was
 * refused at once; with several, the call goes on at the next one until its time, `callMs`, is over.
 */
export function faultHandling(hostCount: number, callMs: () => number): NonNullable<IOptions['faultHandling']> {
  if (hostCount === 1) {
    const again = { maxAttempts: 4, backoff: new ConstantBackoff(PAUSE_MS) };
    return { host: () => noop, global: retry(handleWhen(refused), again) };
  }
  const resting = new Map<string, number>();
  const host = (name: string): HostPolicy => new HostPolicy(name, { resting, hostCount });
  return { host, global: new CallPolicy(callMs) };
}

const refused = (error: unknown): boolean => error instanceof GRPCUnavailableError;
/** How a member words it that it ran into the deadline, or into an election, before we did. */
const LATE_THERE = /context deadline exceeded|raft proposal dropped/;
const lateThere = (error: unknown): boolean => error instanceof GRPCUnknownError && LATE_THERE.test(error.message);
/** No answer from that member, or none that counts; the next one may have a better. */
export const isSilence = (error: unknown): boolean =>
  refused(error) || lateThere(error) || error instanceof GRPCDeadlineExceededError;

/** Attempts at one member. */
class HostPolicy extends NoopPolicy {
  readonly #name: string;
  /** Members that have failed, and until when they are passed over (monotonic, ms). */
  readonly #resting: Map<string, number>;
  readonly #hostCount: number;

  constructor(name: string, among: { resting: Map<string, number>; hostCount: number }) {
    super();
    this.#name = name;
    this.#resting = among.resting;
    this.#hostCount = among.hostCount;
  }

  override execute: Execute = async (attempt, signal) => {
    const now = performance.now();
    const asleep = [...this.#resting.values()].filter((until) => until > now).length;
    if ((this.#resting.get(this.#name) ?? 0) > now && asleep < this.#hostCount) throw new BrokenCircuitError();
    // One call finds out whether it is well again, the others go elsewhere.
    if (this.#resting.has(this.#name)) this.#rest();
    try {
      const result = await super.execute(attempt, signal);
      this.#resting.delete(this.#name);
      return result;
    } catch (error) {
      if (isSilence(error)) this.#rest();
      throw error;
    }
  };

  #rest(): void {
    this.#resting.set(this.#name, performance.now() + REST_MS);
  }
}

/** A call with its attempts. */
class CallPolicy extends NoopPolicy {
  readonly #callMs: () => number;

  constructor(callMs: () => number) {
    super();
    this.#callMs = callMs;
  }

  override execute: Execute = async (attempt, signal) => {
    const until = performance.now() + this.#callMs();
    for (;;) {
      try {
        return await super.execute(attempt, signal);
      } catch (error) {
        const isWorthIt = isSilence(error) || isBrokenCircuitError(error);
        if (!isWorthIt || performance.now() + PAUSE_MS > until) throw error;
      }
      await pause(PAUSE_MS);
    }
  };
}
