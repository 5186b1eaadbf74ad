import type { BackendManager } from '../backend/manager.js';
import type { Backend } from '../backend/backend.js';
import type { Filesystems, HostConnector } from '../contracts/host.js';
import type { Logger } from '../contracts/log.js';
import type { NodeJournal } from '../contracts/node-journal.js';
import type { MetadataStore } from '../contracts/store.js';
import type { GroupCycles } from './group-cycles.js';
import type { HostProblems } from './host-problems.js';
import type { LastSeen } from './last-seen.js';

/** Everything that the verbs work with; built once by the serve command. */
export interface DriverContext {
  store: MetadataStore;
  backends: BackendManager;
  journal: NodeJournal;
  /** Absent: the metadata are on this host, and can be read whenever anything can. */
  lastSeen?: LastSeen;
  connector(backend: Backend): HostConnector;
  filesystems: Filesystems;
  /** Told when a device could not be attached. */
  hostProblems: HostProblems;
  /** The way in and out of remote copy groups. */
  groups: GroupCycles;
  node: { id: string; name: string };
  /** Mountpoints are `<mountRoot>/<volume>`. */
  mountRoot: string;
  /** How long a Mount may take, waiting for another node included; less than dockerd's own limit. */
  mountSeconds: number;
  logger: Logger;
}
