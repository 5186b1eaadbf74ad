/** One place in `stride` is struck, beginning with number `first`, counted from 0: scenes do not all strike the same ones. */
export interface Density {
  stride: number;
  first: number;
}

/** In CI as many as its time allows; by hand fewer, so that nobody has to wait too long. CRASH_STRIDE says otherwise. */
export function strideOf(usual: { inCI: number; byHand: number }): number {
  const { CRASH_STRIDE: wanted, CI: ci } = process.env;
  return Number(wanted ?? (ci === 'true' ? usual.inCI : usual.byHand));
}

/** For one of `parts` lanes that share the places of one scene, of number `scene`. */
export function densityOf(stride: number, scene: number, share = { part: 0, parts: 1 }): Density {
  return { stride: stride * share.parts, first: (scene % stride) + share.part * stride };
}
