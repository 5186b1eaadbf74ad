import { describe, expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import type { ArrayClient } from '../../../src/contracts/array.js';
import type { NodeMount } from '../../../src/contracts/node-journal.js';
import type { Attachment } from '../../../src/domain/attachment.js';
import type { Side } from '../../../src/domain/replication.js';
import type { Volume } from '../../../src/domain/volume.js';
import { attachmentOf } from '../../../src/driver/rebuilt-attachment.js';
import type { Proven } from '../../../src/driver/rebuilt-volume.js';
import type { Survey } from '../../../src/driver/survey.js';

/* oxlint-disable typescript/no-unsafe-type-assertion */
const NOBODY = {} as ArrayClient;
const backend = new Backend({ name: 'DEFAULT', cpg: {}, snapCpg: {} }, { primary: NOBODY, secondary: NOBODY });
const volume = {
  name: 'v',
  arrayName: 'dcv-1',
  wwn: { primary: 'aa', secondary: 'aa' },
  spec: { backend: 'DEFAULT', replicationGroup: 'g' },
} as unknown as Volume;
const mount: NodeMount = {
  volume: 'v',
  backend: 'DEFAULT',
  wwn: 'aa',
  device: { path: '/dev/mapper/aa', wwn: 'aa', sizeBytes: 1 },
  mountpoint: '/mnt/v',
  side: 'primary',
  host: 'node1',
  peer: { host: 'node1-there' },
  generation: 3,
  ids: [],
};

/** What is rebuilt while the arrays export the volume to those hosts. */
function rebuilt(known: NodeMount | undefined, hosts: Record<Side, string[]>): Attachment | string | undefined {
  const proven = { backend, copies: { primary: {}, secondary: {} } } as unknown as Proven;
  const arrays = Object.fromEntries(
    backend.sides.map((side) => [side, { exports: new Map([['dcv-1', hosts[side]]]) }]),
  );
  const survey = new Map([[backend, arrays]]) as unknown as Survey;
  const thisNode = { node: { id: 'n', name: 'node1' }, journal: { findMount: () => known } };
  return attachmentOf(thisNode, { volume, proven, survey });
}
/* oxlint-enable */

describe('an attachment that is rebuilt', () => {
  it('is to both arrays when both export what the journal says is mounted from both', () => {
    const found = rebuilt(mount, { primary: ['node1'], secondary: ['node1-there'] });
    expect(found).toMatchObject({ side: 'primary', host: 'node1', peer: { host: 'node1-there' }, generation: 3 });
  });

  it('knows that its data have moved under it, as the journal does', () => {
    const apart = { side: 'primary', moved: true } as const;
    const hosts = { primary: ['node1'], secondary: ['node1-there'] };
    expect(rebuilt({ ...mount, apart }, hosts)).toMatchObject({ apart });
    expect(rebuilt(mount, hosts)).not.toHaveProperty('apart');
  });

  it('is to both also when one export is missing: it comes back with the next round', () => {
    expect(rebuilt(mount, { primary: [], secondary: ['node1-there'] })).toMatchObject({
      peer: { host: 'node1-there' },
    });
  });

  it.each<[string, NodeMount | undefined, Record<Side, string[]>]>([
    ['a second host', mount, { primary: ['node1', 'node2'], secondary: ['node1-there'] }],
    ['another host on the other array', mount, { primary: ['node1'], secondary: ['node2'] }],
    ['a journal that does not know it', undefined, { primary: ['node1'], secondary: ['node1-there'] }],
  ])('is not proven with %s', (_title, known, hosts) => {
    expect(rebuilt(known, hosts)).toMatch(/^it is exported to .*node1/);
  });

  it('is not proven when two arrays export what was mounted from one', () => {
    const { peer: _peer, ...alone } = mount;
    expect(rebuilt(alone, { primary: ['node1'], secondary: ['node1'] })).toMatch(
      /^it is exported to node1 .* and node1/,
    );
    expect(rebuilt(alone, { primary: ['node1'], secondary: [] })).not.toHaveProperty('peer');
  });
});
