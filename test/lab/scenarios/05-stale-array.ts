import { writeFileSync } from 'node:fs';
import type { SimulatedArray } from '../../pair-client.js';
import { stateOf } from '../../simulator-state.js';
import { expect, expectEqual } from '../inside/checks.js';
import { eventually } from '../inside/command.js';
import { docker } from '../inside/docker.js';
import { arrayWwpn } from '../inside/fibre-channel.js';
import { pathStates } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { startWriter, type Writer } from '../inside/writer.js';
import type { Scenario } from './scenario.js';

const VOLUME = 'db';
const GROUP = 'RCG1';
const BEFORE = 'before';
const AFTER = 'after';
const PATIENCE_MS = 120_000;

export const iscsiStale: Scenario = {
  name: 'iscsi-stale',
  title: 'iSCSI: the stale array returns with the same WWN exported: no path joins, nothing is written to it',
  conf: { mode: 'synchronous', protocol: 'iscsi', more: ['secondary_wwn = same'] },
  timeoutMs: 10 * 60_000,
  run: async (site) => run(site, { ports: ({ iqn }) => iqn }),
};

export const fcStale: Scenario = {
  ...iscsiStale,
  name: 'fc-stale',
  title: 'Fibre Channel: the same; while the kernel scans by itself the mount is refused',
  conf: { ...iscsiStale.conf, protocol: 'fc' },
  run: async (site) => {
    const numberOf = ({ name }: SimulatedArray): number => (name === site.primary.name ? 1 : 2);
    const ports = (array: SimulatedArray): string[] => [1, 2].map((fabric) => arrayWwpn(numberOf(array), fabric));
    await run(site, { ports, refusal: /scsi_mod/ });
  },
};

interface Variant {
  /** Names of an array's target ports. */
  ports(array: SimulatedArray): string[];
  /** What the first mount after the failover says, until the kernel scans by hand only. */
  refusal?: RegExp;
}

async function run(site: Site, variant: Variant): Promise<void> {
  const { step, control, primary, secondary } = site;
  const remoteGroup = `${GROUP}.r${primary.systemId}`;
  await docker.createVolume(VOLUME, { replicationGroup: GROUP, size: '1' });
  await step('a container writes on the primary array', async () => (await startWriter(BEFORE, VOLUME)).more(3));
  await step('the primary array loses power, the container ends, the operator fails over', async () => {
    await control.power(primary.name, false);
    await docker.stop(BEFORE).catch(() => undefined);
    await eventually(async () => expect(!(await docker.isRunning(BEFORE)), 'it still runs'), PATIENCE_MS);
    await docker.removeContainer(BEFORE);
    await site.operator(secondary, `setrcopygroup failover -f ${remoteGroup}`);
  });
  if (variant.refusal !== undefined) await expectRefused(site, variant.refusal);
  const writer = await step('a container writes on the secondary array', async () => startWriter(AFTER, VOLUME));
  await writer.more(3);
  const map = `3${String((await docker.inspectVolume(VOLUME)).Status['wwn']).toLowerCase()}`;
  await staleReturn(site, { map, writer, variant });
  await step('the export that was left on the primary array goes', async () => {
    await control.clearFaults();
    await eventually(async () => expectEqual(await site.servedBy(VOLUME), [secondary.name], 'served by'), PATIENCE_MS);
  });
  const acknowledged = await writer.acknowledged();
  await step('home again, with all that was acknowledged', async () => {
    await docker.removeContainer(AFTER);
    await control.link(true);
    await site.operator(secondary, `setrcopygroup recover -f ${remoteGroup}`);
    await site.operator(secondary, `setrcopygroup restore -f ${remoteGroup}`);
    await docker.run('home', VOLUME);
    expectEqual(await site.servedBy(VOLUME), [primary.name], 'served by');
    const last = Number(await docker.exec('home', 'tail -n 1 /data/records'));
    expect(last >= acknowledged, `the last record is ${last}, acknowledged were ${acknowledged}`);
    await docker.removeContainer('home');
  });
  await docker.removeVolume(VOLUME);
}

/** The kernel scans Fibre Channel ports when they appear, so that the stale array's paths would join the map. */
async function expectRefused({ step }: Site, refusal: RegExp): Promise<void> {
  await step('while the kernel scans by itself the mount is refused, with the way out', async () => {
    const answer = await docker.run('refused', VOLUME).then(() => 'started', String);
    expect(refusal.test(answer), answer);
    await docker.removeContainer('refused');
  });
  writeFileSync('/sys/module/scsi_mod/parameters/scan', 'manual');
}

/** It does not see its partner, takes itself for the primary, and keeps the export that nobody could remove. */
async function staleReturn(
  { step, control, primary, secondary, servedBy }: Site,
  { map, writer, variant }: { map: string; writer: Writer; variant: Variant },
): Promise<void> {
  const strangers = new Set<string>();
  const look = async (): Promise<void> => {
    for (const { target } of await pathStates(map)) {
      if (!variant.ports(secondary).includes(target)) strangers.add(target);
    }
  };
  await step('the primary array returns, without its partner, and with its export', async () => {
    const match = { method: 'DELETE', pathRegex: '/vluns/' };
    await control.fault({ array: primary.name, match, effect: 'error', status: 503, times: 10_000 });
    await control.link(false);
    await control.power(primary.name, true);
    expectEqual((await servedBy(VOLUME)).toSorted(), [primary.name, secondary.name].toSorted(), 'exported by');
  });
  const before = await changeOf(control, primary);
  await step('none of its paths joins, the container writes on', async () => {
    const end = performance.now() + 45_000;
    while (performance.now() < end) await look();
    await writer.more(10);
    await look();
    expectEqual([...strangers], [], 'paths to other ports');
    expectEqual(await writer.errors(), [], 'errors in the container');
  });
  expectEqual(await changeOf(control, primary), before, "last change of the stale array's data");
}

async function changeOf(control: Site['control'], { name }: SimulatedArray): Promise<string> {
  const [device, ...more] = ((await stateOf(control)).devices ?? []).filter(({ array }) => array === name);
  if (device === undefined || more.length > 0) throw new Error(`${name} shows ${more.length} LUNs`);
  return device.changedAtNs;
}
