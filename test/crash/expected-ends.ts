import type { Struck } from '../daemon-process.js';
import type { End, Scene } from './scenes.js';

/** Both are right while a call that decides is under way, beside the one that was struck: nobody knows whether it arrived. */
export function expectedEnds(
  { robs, decisive }: Pick<Scene, 'robs' | 'decisive'>,
  { calls, number, when }: Struck,
): End[] {
  const turns: { call: RegExp; end: End }[] = [{ call: decisive, end: 'done' }];
  if (robs !== undefined) turns.unshift({ call: robs.claim, end: 'robbed' });
  let ends: End[] = ['undone'];
  for (const { call, end } of turns) {
    const begun = calls.filter(({ label }) => call.test(label));
    const isUnderWay = begun.some((each) => !(when === 'before' && each === calls[number - 1]));
    if (begun.some(({ done }) => done)) ends = [end];
    else if (isUnderWay) ends.push(end);
  }
  return ends;
}
