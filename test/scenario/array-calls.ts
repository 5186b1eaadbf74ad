import type { FaultSpec } from '../../src/simulator/faults.js';
import type { Node } from '../harness.js';

/** One array call of a verb, recognised again in another run of it, where the volume has another name. */
export interface ArrayCall {
  /** `sim-a PUT remotecopygroups/g1 #2` */
  title: string;
  array: string;
  method: string;
  match: NonNullable<FaultSpec['match']>;
  changes: boolean;
}

export type Effect = NonNullable<FaultSpec['effect']>;

/** The status poll asks for all groups at once, whenever it likes. */
const POLL = /\/remotecopygroups$/;
const ARRAY_VOLUME = /(?:dcv|dcs|vvs)-[A-Za-z0-9.-]{22}/g;

/** Part of every node's own name on the fabric. */
const INITIATOR = /hpe-volume-plugin%3A[0-9a-f]{12}/g;

/** The text as a pattern in which that varies. */
const anyOf = (varying: RegExp, text: string, rest: (part: string) => string): string =>
  text.split(varying).map(rest).join(varying.source);

const escaped = (text: string): string => text.replaceAll(/[.?+*()[\]{}^$|\\]/g, '\\$&');

/** What both arrays are asked while the work is done, without the background poll. */
export async function arrayCalls(node: Node, work: () => Promise<unknown>): Promise<ArrayCall[]> {
  await node.control.clearLog();
  await work();
  const seen = new Map<string, number>();
  const calls: ArrayCall[] = [];
  for (const { array, method = '', path = '' } of await node.control.log()) {
    if (POLL.test(path)) continue;
    const pathRegex = `^${anyOf(ARRAY_VOLUME, path, (part) => anyOf(INITIATOR, part, escaped))}$`;
    const key = `${array} ${method} ${pathRegex}`;
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    const what = decodeURIComponent(path.replace('/api/v1/', '')).replaceAll(ARRAY_VOLUME, 'VOLUME');
    const title = `${array} ${method} ${what} #${nth}`;
    calls.push({ title, array, method, match: { method, pathRegex, nth }, changes: method !== 'GET' });
  }
  return calls;
}
