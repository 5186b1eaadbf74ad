import { arrayOf, operator, type ReadyPair } from '../pair-client.js';

/** The commands of an operator for one remote copy group, each typed over SSH on the array where it belongs. */
export interface GroupCommands {
  /** What the secondary array calls the group. */
  nameThere: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** The secondary array takes over; the group has to be stopped. */
  failover(): Promise<void>;
  recover(): Promise<void>;
  restore(): Promise<void>;
  /** Peer persistence: to the secondary array, under I/O, and back. */
  switchover(): Promise<void>;
  switchBack(): Promise<void>;
  /** The natural direction turns round, and the secondary array replicates to the primary one. */
  turnRound(): Promise<void>;
}

export function commandsFor(pair: ReadyPair, group: string): GroupCommands {
  const [primary, secondary] = [arrayOf(pair, 'primary'), arrayOf(pair, 'secondary')];
  const nameThere = `${group}.r${primary.systemId}`;
  const here = async (command: string): Promise<void> => void (await operator(primary, `${command} ${group}`));
  const there = async (command: string): Promise<void> => void (await operator(secondary, `${command} ${nameThere}`));
  return {
    nameThere,
    stop: async () => here('stoprcopygroup -f'),
    start: async () => here('startrcopygroup'),
    failover: async () => there('setrcopygroup failover -f'),
    recover: async () => there('setrcopygroup recover -f'),
    restore: async () => there('setrcopygroup restore -f'),
    switchover: async () => here('setrcopygroup switchover -f'),
    switchBack: async () => there('setrcopygroup switchover -f'),
    async turnRound() {
      await here('stoprcopygroup -f');
      await here('setrcopygroup reverse -f');
      await there('startrcopygroup');
    },
  };
}
