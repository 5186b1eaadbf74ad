import type { GroupStatus, StatusReport } from '../../src/driver/status-report.js';
import type { Side } from '../../src/domain/replication.js';

/** A report with nothing in it but what is given. */
export const statusReport = (changes: Partial<StatusReport> = {}): StatusReport => ({
  at: '2026-01-01T00:00:00.000Z',
  node: 'n1',
  metadata: 'etcd',
  arrays: [],
  groups: [],
  volumes: [],
  operations: [],
  leftOvers: [],
  ...changes,
});

/** Group `g` of backend `B` with one synced member, served by that side: reversed when it is the secondary one. */
export function groupStatus(active: Side, changes: Partial<GroupStatus> = {}): GroupStatus {
  const side = (array: Side): GroupStatus['report']['sides'][Side] => ({
    array,
    group: 'g',
    view: {
      answer: 'group',
      role: 'primary',
      reversed: active === 'secondary',
      state: 'started',
      linksUp: true,
      lagging: [],
    },
    members: [{ volume: 'v', remoteVolume: 'v', syncStatus: 'synced' }],
  });
  const report: GroupStatus['report'] = {
    backend: 'B',
    name: 'g',
    mode: 'synchronous',
    at: '',
    sides: { primary: side('primary'), secondary: side('secondary') },
    strict: false,
    volumes: [],
    strangers: [],
  };
  return { report, active, row: 1, protected: true, why: 'synced', ...changes };
}
