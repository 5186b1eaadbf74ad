import type { ProtectionMemory } from '../domain/group-report.js';

/** Where a node keeps what it remembers of its groups from one start to the next. */
export interface ProtectionMemories {
  /** Empty when nothing is known, or when what was kept cannot be read. */
  load(): Promise<ProtectionMemory[]>;
  /** In place of all that was kept; on disk when it returns. */
  save(memories: ProtectionMemory[]): Promise<void>;
}
