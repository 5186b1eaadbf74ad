import type { Initiators } from '../contracts/array.js';
import type { Connection } from '../contracts/host.js';
import type { Nexus } from './scsi-paths.js';

/** What a transport adds to SCSI and multipath. */
export interface Fabric {
  initiators(signal: AbortSignal): Promise<Initiators>;
  /** As in HostConnector. */
  findProblems(signal: AbortSignal): Promise<string[]>;
  /** Makes the target ports of the connection, those of both its halves, reachable, as many as can be. @throws `refused` when none of it may be used */
  reach(connection: Connection, signal: AbortSignal): Promise<Reached>;
  /** Ends what `reach` has made and no device uses any more. */
  leaveUnused(signal: AbortSignal): Promise<void>;
}

export interface Reached {
  nexuses: Nexus[];
  /** Target ports that cannot be reached, each with the reason. */
  missing: string[];
  /** Until then nothing of it is ended. */
  release(): void;
}
