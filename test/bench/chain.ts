/** When a call was on its way, in any monotonic unit. */
export interface CallTimes {
  startMs: number;
  endMs: number;
}

/**
 * The greatest number of calls such that each starts at or after the end of the one before: what a verb waits for, one
 * call after the other. A call that starts after another ended may depend on it; one that overlaps it cannot.
 */
export function longestChain(calls: readonly CallTimes[]): number {
  let length = 0;
  let lastEnd = -Infinity;
  // The call that ends first leaves the most room for the next one, so taking it is never worse.
  for (const call of calls.toSorted((a, b) => a.endMs - b.endMs || a.startMs - b.startMs)) {
    if (call.startMs < lastEnd) continue;
    length += 1;
    lastEnd = call.endMs;
  }
  return length;
}

/** How long at least one of them was on its way; what runs at the same time counts once. */
export function coveredMs(calls: readonly CallTimes[]): number {
  let covered = 0;
  let until = -Infinity;
  for (const { startMs, endMs } of calls.toSorted((a, b) => a.startMs - b.startMs)) {
    if (endMs <= until) continue;
    covered += endMs - Math.max(startMs, until);
    until = endMs;
  }
  return covered;
}
