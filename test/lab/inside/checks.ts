import { controlOf, type ReadyPair } from '../../pair-client.js';
import { arrayObjects } from '../../simulator-state.js';
import { run } from './command.js';
import { docker } from './docker.js';
import { deviceMounts, iscsiNodes, iscsiSessions, multipathMaps, scsiDisks } from './san.js';

/** Everything that a scenario may leave behind, in words that can be compared: what is on the host, and array objects. */
export async function inventory(pair: ReadyPair): Promise<string[]> {
  return [...(await hostInventory()), ...(await arrayObjects(controlOf(pair)))].toSorted();
}

/** Devices, maps, sessions, mounts, volumes that the plugin lists, containers. */
export async function hostInventory(): Promise<string[]> {
  const [volumes, containers] = await Promise.all([docker.listVolumes(), docker.listContainers()]);
  return [
    ...(await deviceInventory()),
    ...volumes.map((each) => `docker volume ${each}`),
    ...containers.map((each) => `container ${each}`),
  ].toSorted();
}

/** What a volume is attached with. */
export async function deviceInventory(): Promise<string[]> {
  const sessions = await iscsiSessions();
  return [
    ...scsiDisks().map(({ name, wwid }) => `disk ${name} ${wwid}`),
    ...multipathMaps().map(({ wwid, device, paths }) => `map ${wwid} ${device} on ${paths.join(', ')}`),
    ...sessions.map((each) => `session ${each}`),
    ...iscsiNodes().map((each) => `node record ${each}`),
    ...deviceMounts().map((each) => `mount ${each}`),
  ];
}

/** @throws with every difference between two inventories */
export function expectSame(before: string[], now: string[]): void {
  const [missing, left] = [before.filter((each) => !now.includes(each)), now.filter((each) => !before.includes(each))];
  const complaints = [...missing.map((each) => `gone: ${each}`), ...left.map((each) => `left: ${each}`)];
  expect(complaints.length === 0, complaints.join('\n'));
}

/** The kernel's own complaints. A warning of mq-deadline when a map with waiting I/O is removed is harmless. */
export async function expectHealthyKernel(): Promise<void> {
  const lines = (await run('dmesg', [])).split('\n');
  const bad = lines.filter((line) => /BUG:|Oops|general protection|blocked for more than/.test(line));
  expect(bad.length === 0, bad.join('\n'));
}

export function expect(condition: boolean, complaint: string): void {
  if (!condition) throw new Error(complaint);
}

export function expectEqual(found: unknown, wanted: unknown, what: string): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  expect(is === should, `${what}: ${is}, expected ${should}`);
}
