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

/** The array numbers what it makes for a copy; as escaped below. */
const NUMBERED = /vvcp(?:\\\.\d+){2}|tasks\/\d+/g;

/** The text as a pattern in which that varies. */
const anyOf = (varying: RegExp, text: string, rest: (part: string) => string): string =>
  text.split(varying).map(rest).join(varying.source);

const escaped = (text: string): string => text.replaceAll(/[.?+*()[\]{}^$|\\]/g, '\\$&');

const numbered = (text: string): string =>
  escaped(text).replaceAll(NUMBERED, (found) => found.replaceAll(/\d+/g, '\\d+'));

/** What both arrays are asked while the work is done, without the background poll. */
export async function arrayCalls(node: Node, work: () => Promise<unknown>): Promise<ArrayCall[]> {
  await node.control.clearLog();
  await work();
  const seen = new Map<string, number>();
  const calls: ArrayCall[] = [];
  for (const { array, method = '', path = '', command } of await node.control.log()) {
    // Arrays know a user's settings for a session, and no fault for them.
    if (POLL.test(path) || command?.startsWith('setclienv') === true) continue;
    const regex = `^${anyOf(ARRAY_VOLUME, command ?? path, (part) => anyOf(INITIATOR, part, numbered))}$`;
    const key = `${array} ${method} ${regex}`;
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    const what = (command ?? decodeURIComponent(path.replace('/api/v1/', ''))).replaceAll(ARRAY_VOLUME, 'VOLUME');
    const title = `${array} ${command === undefined ? method : 'ssh'} ${what} #${nth}`;
    const match = command === undefined ? { method, pathRegex: regex, nth } : { commandRegex: regex, nth };
    const changes = command === undefined ? method !== 'GET' : !command.startsWith('show');
    calls.push({ title, array, method, match, changes });
  }
  return calls;
}
