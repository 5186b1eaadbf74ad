import type { Side } from '../../src/domain/replication.js';

export const NODES = ['node1', 'node2'] as const;
export type NodeName = (typeof NODES)[number];

/** What dockerd sends. */
export type Verb =
  | { do: 'create'; node: NodeName; volume: string; group: string | undefined }
  /** The container that is started keeps a file open if it `holds`. */
  | { do: 'mount'; node: NodeName; volume: string; id: string; holds: boolean }
  | { do: 'unmount'; node: NodeName; volume: string; id: string }
  | { do: 'remove'; node: NodeName; volume: string };

/** What befalls a group, by an operator's hand. */
export type GroupAction = 'stop' | 'start' | 'failover' | 'recover' | 'restore';
/** What befalls a daemon; `end` is SIGTERM. */
export type DaemonAction = 'kill' | 'end' | 'start' | 'pause' | 'resume';

export type Happening =
  /** A container on that node writes and waits for the disk. */
  | { do: 'write'; node: NodeName; volume: string }
  | { do: 'operator'; action: GroupAction; group: string }
  | { do: 'daemon'; action: DaemonAction; node: NodeName }
  | { do: 'power'; side: Side; on: boolean }
  | { do: 'link'; up: boolean }
  | { do: 'etcd'; on: boolean }
  /** Nobody does anything until all that was left open is finished; only when nothing is broken. */
  | { do: 'settle' };

/** In the middle of a verb: something else after a while, or a signal for its daemon at one of its outward calls. */
export type Meanwhile =
  | { afterMs: number; what: Verb | Happening }
  | { call: number; when: 'before' | 'after'; signal: 'SIGKILL' | 'SIGSTOP' };

export type Step = { act: Verb | Happening; meanwhile?: Meanwhile };

export const isVerb = (act: Verb | Happening): act is Verb => ['create', 'mount', 'unmount', 'remove'].includes(act.do);

/** The step as a person would say it. */
export function describeStep({ act, meanwhile }: Step): string {
  if (meanwhile === undefined) return describe(act);
  if ('signal' in meanwhile)
    return `${describe(act)}, and ${meanwhile.signal} just ${meanwhile.when} its call ${meanwhile.call}`;
  return `${describe(act)}, and after ${meanwhile.afterMs} ms: ${describe(meanwhile.what)}`;
}

function describe(act: Verb | Happening): string {
  switch (act.do) {
    case 'create':
      return `${act.node}: create ${act.volume}${act.group === undefined ? ' on one array' : ` in group ${act.group}`}`;
    case 'mount':
      return `${act.node}: mount ${act.volume} for ${act.id}${act.holds ? ', which keeps a file open' : ''}`;
    case 'unmount':
      return `${act.node}: unmount ${act.volume} for ${act.id}`;
    case 'remove':
      return `${act.node}: remove ${act.volume}`;
    case 'write':
      return `${act.node}: a container writes to ${act.volume}`;
    case 'operator':
      return `operator: ${act.action} ${act.group}`;
    case 'daemon':
      return `${act.node}: ${act.action} the daemon`;
    case 'power':
      return `power of the ${act.side} array ${act.on ? 'on' : 'off'}`;
    case 'link':
      return `links between the arrays ${act.up ? 'up' : 'cut'}`;
    case 'etcd':
      return `etcd ${act.on ? 'resumed' : 'paused'}`;
    case 'settle':
      break;
  }
  return 'wait until everything is settled';
}
