import type { Vlun } from '../contracts/array.js';

/** How long a look serves the exports that follow it, in ms. */
const KEPT_MS = 5_000;
/** A LUN that the array refused is taken by something that no look shows, as an export to a host set. */
const REFUSED_MS = 60_000;

interface Look {
  exports: readonly Vlun[];
  /** When it was asked (monotonic, ms). */
  at: number;
}

/** An export under way, or one that has just ended. */
export interface Claim {
  /** Undefined: the array is to choose it, and has not said which; nothing is proposed beside that. */
  lun: number | undefined;
  /** Monotonic, ms. A look from before that may not show it. */
  endedAt: number;
}

/**
 * Which LUN of a host an export proposes for all ports at once, by what the host was seen to have and what else is being exported
 * to it. A proposal only: the array refuses a LUN that is taken.
 */
export class LunChoice {
  readonly #looks = new Map<string, Look>();
  readonly #claims = new Map<string, Set<Claim>>();

  /** @param look all exports to the host */
  keep(host: string, look: Look): void {
    this.#looks.set(host, look);
  }

  /** Its `lun` is the lowest that is free and none of those to avoid; undefined when nobody looked lately, or the volume was there already. */
  begin(host: string, volume: string, avoid: ReadonlySet<number>): Claim {
    const claims = this.#claimsOf(host);
    const look = this.#looks.get(host);
    const claim: Claim = { lun: undefined, endedAt: Infinity };
    const isChoosing = [...claims].some(({ lun, endedAt }) => lun === undefined && endedAt === Infinity);
    const isOfUse = look !== undefined && isFresh(look) && !isChoosing;
    if (isOfUse && !look.exports.some((vlun) => vlun.volume === volume)) {
      const claimed = [...claims].filter(({ endedAt }) => endedAt > look.at).map(({ lun }) => lun);
      const taken = new Set([...avoid, ...look.exports.map(({ lun }) => lun), ...claimed]);
      claim.lun = 0;
      while (taken.has(claim.lun)) claim.lun += 1;
    }
    claims.add(claim);
    return claim;
  }

  end(claim: Claim): void {
    claim.endedAt = performance.now();
  }

  /** Is not proposed again for a minute. */
  refuse(host: string, lun: number): void {
    this.#claimsOf(host).add({ lun, endedAt: performance.now() + REFUSED_MS });
  }

  /** Without those that every look that still serves is younger than. */
  #claimsOf(host: string): Set<Claim> {
    const claims = this.#claims.get(host) ?? new Set();
    this.#claims.set(host, claims);
    for (const claim of claims) if (!isFresh({ at: claim.endedAt })) claims.delete(claim);
    return claims;
  }
}

const isFresh = ({ at }: { at: number }): boolean => performance.now() - at < KEPT_MS;
