import { expect, it } from '@jest/globals';
import type { Backend } from '../../../src/backend/backend.js';
import type { DriverContext } from '../../../src/driver/context.js';
import { exportSteps, type ExportPlan } from '../../../src/driver/export-steps.js';
import type { MountFacts } from '../../../src/driver/plan-mount.js';
import { planUnmount, unmountSaga } from '../../../src/driver/unmount.js';
import type { Attachment } from '../../../src/domain/attachment.js';
import { aVolume } from '../../contract/store-records.js';

/** An array that calls this host `name`; what is asked of it, and of the host, in order. */
function parts(name: string) {
  const asked: string[] = [];
  const array = {
    label: 'array',
    ensureHost: async (wanted: string) => {
      asked.push(`ensure ${wanted}`);
      return Promise.resolve(name);
    },
    ensureVlun: async (_volume: string, { host }: { host: string }) => {
      asked.push(`export to ${host}`);
      return Promise.resolve({ host, lun: 1, targets: [] });
    },
    lookBeforeRemoval: (_volume: string, host: string) => void asked.push(`look at ${host}`),
    removeVluns: async (_volume: string, host: string) => Promise.resolve(void asked.push(`remove from ${host}`)),
  };
  const connector = { initiators: async () => Promise.resolve({}), lunsInUse: async () => Promise.resolve([]) };
  const ctx = {
    connector: () => connector,
    journal: { deferredRemovals: () => [] },
    filesystems: { unmount: async () => Promise.resolve(void asked.push('unmount')) },
  };
  const backend = { name: 'b', array: () => array };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { asked, parts: { ctx, backend } as unknown as { ctx: DriverContext; backend: Backend } };
}

const PLAN: ExportPlan = {
  volume: aVolume('v'),
  side: 'primary',
  hostName: 'h2',
  initiators: { protocol: 'iscsi', names: ['iqn.x'] },
  exportedTo: [],
};
const { signal } = new AbortController();
const contextOf = (plan: ExportPlan, facts: MountFacts = {}) => ({
  plan,
  facts,
  signal,
  record: async () => Promise.resolve(),
});

it('a host entry that the plan knows needs no record of its own, and the export goes to it', async () => {
  const { asked, parts: of } = parts('h1');
  const plan: ExportPlan = { ...PLAN, foundHosts: { primary: 'h1' } };
  const steps = exportSteps(of, plan, ['primary']);
  expect(steps).toHaveLength(1);
  expect(await steps[0]?.do?.(contextOf(plan))).toMatchObject({ host: 'h1', lun: 1 });
  expect(asked).toEqual(['ensure h1', 'export to h1']);
});

it('nothing is exported to a host entry that is not the one on record, and what may be there is taken from that', async () => {
  const { asked, parts: of } = parts('h3');
  const plan: ExportPlan = { ...PLAN, foundHosts: { primary: 'h1' } };
  const [step] = exportSteps(of, plan, ['primary']);
  await expect(step?.do?.(contextOf(plan))).rejects.toThrow('called this host h1 a moment ago, and calls it h3 now');
  await step?.undo?.(contextOf(plan));
  expect(asked).toEqual(['ensure h1', 'remove from h1']);
});

it('the name of a host entry that nobody knew is found by a step of its own, to be on record before the export', async () => {
  const { asked, parts: of } = parts('h1');
  const [find, exporting, ...rest] = exportSteps(of, PLAN, ['primary']);
  expect(rest).toEqual([]);
  expect(await find?.do?.(contextOf(PLAN))).toEqual({ host: 'h1' });
  await exporting?.do?.(contextOf(PLAN, { host: 'h1' }));
  expect(asked).toEqual(['ensure h2', 'export to h1']);
});

it('an Unmount asks what the removal goes by before the host lets go, and removes after that', async () => {
  const { asked, parts: of } = parts('h1');
  const attachment: Attachment = {
    volume: 'v',
    node: 'n',
    nodeName: 'n',
    generation: 1,
    side: 'primary',
    host: 'h1',
    state: 'attached',
    mountpoint: '/m',
    device: { path: '/dev/x', wwn: 'w', sizeBytes: 1 },
  };
  const plan = planUnmount(aVolume('v'), attachment);
  const { steps } = unmountSaga(of.ctx, of.backend, plan);
  for (const step of [steps[0], steps.at(-1)])
    await step?.do?.({ plan, facts: {}, signal, record: async () => Promise.resolve() });
  expect(asked).toEqual(['look at h1', 'unmount', 'remove from h1']);
});
