import type { Found, Named } from '../contracts/store.js';
import { decodeRecord } from './records.js';

/** The records whose texts stand at the same places. @throws as `decodeRecord` */
export function asNamed<const W extends readonly Named[]>(wanted: W, texts: readonly (string | undefined)[]): Found<W> {
  const found = wanted.map(([kind, key], at) => {
    const text = texts[at];
    return text === undefined ? undefined : decodeRecord(kind, key, text);
  });
  // The compiler does not see that each place has the kind of its name.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return found as Found<W>;
}
