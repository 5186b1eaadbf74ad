/**
 * Leaves out as many of the items as it can while it still fails, the last ones never first: halves, then quarters, and so on
 * down to single ones. What fails only now and then may stay longer than needed.
 */
export async function shrink<T>(
  items: readonly T[],
  runs: number,
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let kept = items;
  let left = runs;
  for (let size = Math.ceil(kept.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < kept.length && left > 0;) {
      const fewer = [...kept.slice(0, start), ...kept.slice(start + size)];
      left -= 1;
      if (fewer.length < kept.length && (await fails(fewer))) kept = fewer;
      else start += size;
    }
  }
  return kept;
}
