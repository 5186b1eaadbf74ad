import type { Attachment } from '../../src/domain/attachment.js';
import type { Override } from '../../src/domain/override.js';
import type { Group } from '../../src/domain/replication.js';
import type { Volume } from '../../src/domain/volume.js';
import type { Operation } from '../../src/saga/operation.js';

export const aVolume = (name: string, change: Partial<Volume> = {}): Volume => ({
  name,
  id: 'b7a1f0d2-6c1e-4f0a-9a51-0c1d2e3f4a5b',
  spec: {
    sizeGiB: 1,
    provisioning: 'thin',
    compression: false,
    fsType: 'ext4',
    backend: 'DEFAULT',
    mountConflictDelay: 30,
  },
  arrayName: 'dcv-t6Hw0mweTwqaUQwdLj9KWw',
  cpg: { primary: 'FC_r6', secondary: 'FC_r1' },
  snapCpg: { primary: 'FC_r6s' },
  wwn: {},
  state: 'ready',
  filesystem: { state: 'never' },
  everMounted: false,
  createdAt: '2026-01-01T00:00:00.000Z',
  ...change,
});

export const aGroup = (backend: string, name: string): Group => ({
  backend,
  name,
  remoteName: `${name}.r1234`,
  createdByUs: true,
  lastActive: 'secondary',
  epoch: 3,
});

export const anAttachment = (volume: string): Attachment => ({
  volume,
  node: 'node-id',
  nodeName: 'docker1',
  generation: 7,
  side: 'primary',
  host: 'docker1',
  state: 'attached',
  mountpoint: `/mnt/${volume}`,
  device: { path: '/dev/loop3', wwn: '60002ac0000000000000000000000001', sizeBytes: 1_073_741_824 },
});

export const anOverride = (volume: string): Override => ({
  volume,
  volumeId: 'b7a1f0d2-6c1e-4f0a-9a51-0c1d2e3f4a5b',
  side: 'secondary',
  reason: 'the primary burnt down',
  madeBy: 'docker1',
  madeAt: '2026-01-01T00:00:00.000Z',
  until: '2026-01-01T00:30:00.000Z',
});

export const anOperation = (volume: string): Operation => ({
  id: 'op-1',
  kind: 'create',
  schema: 1,
  node: 'node-id',
  volume,
  keys: [`volume/${volume}`],
  plan: { name: volume, side: null, numbers: [1, 2.5, true] },
  facts: { wwn: { primary: 'Zürich 東京 🚀' } },
  next: 2,
  phase: 'undo',
  error: 'the array said\nno',
  startedAt: '2026-01-01T00:00:00.000Z',
});
