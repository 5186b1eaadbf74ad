import { stateOf } from '../../simulator-state.js';
import { administratorOf } from '../inside/administrator.js';
import { expect, expectEqual, expectSame } from '../inside/checks.js';
import { run as runTool } from '../inside/command.js';
import { iscsiSessions, scsiDisks } from '../inside/san.js';
import type { Site } from '../inside/site.js';
import { mainJob } from './main-job.js';
import type { Scenario } from './scenario.js';

const INITIATOR = 'iqn.1993-08.org.debian:01:node1';
const [HOST, VOLUME] = ['made-by-hand', 'not-ours'];

export const others: Scenario = {
  name: 'others',
  title: "other people's sessions, host entry and LUNs on the same array survive the main job untouched",
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 10 * 60_000,
  run,
};

/** Every scenario has a foreign target, session, map and FC LUN beside it; here our own array is used by others, too. */
async function run(site: Site): Promise<void> {
  const { primary, step, control } = site;
  const administrator = await administratorOf(primary);
  const [target = '', portal = ''] = [primary.iqn[0], primary.iscsiPortals[0]];
  const node = ['-m', 'node', '-T', target, '-p', portal];
  await step('somebody makes a host entry, an export and a session to our array by hand', async () => {
    await administrator.createHost(HOST, INITIATOR);
    await administrator.createVolume(VOLUME, 1024);
    await administrator.exportVolume(VOLUME, HOST, 0);
    await runTool('iscsiadm', [...node, '-o', 'new']);
    await runTool('iscsiadm', [...node, '-o', 'update', '-n', 'node.session.scan', '-v', 'manual']);
    await runTool('iscsiadm', [...node, '--login']);
  });
  const theirs = async (): Promise<string[]> => {
    const { arrays } = await stateOf(control);
    const { hosts = [], vluns = [], volumes = [] } = arrays[0] ?? {};
    return [
      ...hosts.map(({ name }) => `host ${name}`),
      ...vluns.map(({ volume, host }) => `VLUN ${volume} to ${host ?? 'a port'}`),
      ...volumes.map(({ name }) => `volume ${name}`),
      ...(await iscsiSessions()).filter((session) => session.includes(target)),
      ...scsiDisks().map(({ name, wwid }) => `disk ${name} ${wwid}`),
    ];
  };
  const before = await theirs();
  const wwn = await wwnOf(site);
  let seen = 0;
  const watch = setInterval(() => {
    seen += scsiDisks().filter(({ wwid }) => wwid === `naa.${wwn}`).length;
  }, 100);
  await mainJob(site);
  clearInterval(watch);
  await step('what they have is as it was', async () => {
    expectSame(before, await theirs());
    expectEqual(seen, 0, 'sightings of their LUN on this host');
    expect(before.some((each) => each === `host ${HOST}`) && before.length > 4, before.join('; '));
  });
  await runTool('iscsiadm', [...node, '--logout']);
  await runTool('iscsiadm', [...node, '-o', 'delete']);
  await administrator.removeExport(VOLUME, HOST, 0);
  await administrator.removeVolume(VOLUME);
  await administrator.removeHost(HOST);
}

async function wwnOf({ control }: Site): Promise<string> {
  const volumes = (await stateOf(control)).arrays.flatMap((array) => array.volumes);
  const volume = volumes.find(({ name }) => name === VOLUME);
  if (volume === undefined) throw new Error(`no array has ${VOLUME}`);
  return volume.wwn.toLowerCase();
}
