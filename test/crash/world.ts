import { readdir, readFile, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { SimulatedArray } from '../../src/simulator/array.js';
import type { DaemonProcess } from '../daemon-process.js';
import type { Lane } from './lane.js';

/*
 * The world in words that are the same for every run of a scene: one line for each thing that is on an array, on the host,
 * in the state directory or in the metadata. Names that are drawn anew each time (array names, WWNs, loop devices) are
 * replaced by the Docker name of their volume; what belongs to no volume on record keeps its own name, and so never matches.
 */

/**
 * What the living keep, and what ends by itself or is looked for in vain for an hour: rounds of recovery take locks for a moment. What
 * leads to volumes only says where to look, and one too many is harmless (volume-index.ts).
 */
const PASSING = /^(lock|session|node|late|notable|copy|member)\//;
/** Keys whose text is no record. */
const BARE = /^(lock|session|notable|copy|member)\/|^(root|volume-index)$|^follows\//;
const envelope = z.object({ record: z.record(z.string(), z.unknown()) });
type Entry = { key: string; record: Record<string, unknown> };

/** Everything that there is, sorted. */
export async function outlineOf(lane: Lane): Promise<string[]> {
  const { arrays } = lane.simulator;
  const records = await lane.metadata();
  const metadata = records.map(([key, text]) => entryOf(key, text));
  const names = new Map<string, string>();
  for (const { key, record } of metadata) {
    if (key.startsWith('volume/')) names.set(String(record['arrayName']), `<${String(record['name'])}>`);
  }
  for (const array of arrays) nameVolumes(array, names);
  const lines = [
    ...arrays.flatMap((array) => arrayLines(array)),
    ...metadataLines(records),
    ...(await Promise.all(lane.daemons.map(async (daemon) => stateLines(daemon)))).flat(),
    ...(await hostLines(lane.dir)),
  ];
  const plain = lines.map((line) => {
    let text = line;
    for (const [from, to] of names) text = text.replaceAll(from, to);
    return text;
  });
  return plain.toSorted();
}

/** Everything that there is when nothing has changed for so long: several daemons clean up by themselves. */
export async function settledOutlineOf(lane: Lane, quietMs: number): Promise<string[]> {
  for (let before = ''; ;) {
    await pause(quietMs);
    const outline = await outlineOf(lane);
    if (outline.join() === before) return outline;
    before = outline.join();
  }
}

/** What is in one list and not in the other: `+` is there and should not be, `-` is missing. */
export function difference(found: readonly string[], wanted: readonly string[]): string[] {
  return [...missing(found, wanted).map((line) => `+ ${line}`), ...missing(wanted, found).map((line) => `- ${line}`)];
}

function missing(from: readonly string[], others: readonly string[]): string[] {
  const rest = [...others];
  return from.filter((line) => {
    const at = rest.indexOf(line);
    if (at !== -1) rest.splice(at, 1);
    return at === -1;
  });
}

function entryOf(key: string, text: string): Entry {
  const parsed = envelope.safeParse(BARE.test(key) ? {} : JSON.parse(text));
  return { key: key.replace(/^follows\/.*/, 'follows'), record: parsed.success ? parsed.data.record : {} };
}

function nameVolumes(array: SimulatedArray, names: Map<string, string>): void {
  for (const volume of array.volumes.values()) {
    const tag = /"display_name":"([^"]+)"/.exec(volume.comment)?.[1];
    if (tag !== undefined && /^dc[vs]-/.test(volume.name)) {
      names.set(volume.name, `<${tag}>`).set(volume.name.replace('dcv-', 'vvs-'), `<set of ${tag}>`);
    }
    names.set(volume.wwn.toLowerCase(), `<${tag ?? volume.name} on ${array.name}>`);
  }
}

function arrayLines(array: SimulatedArray): string[] {
  const on = array.name;
  return [
    ...[...array.volumes.values()].map(
      ({ name, comment, sizeMiB }) => `${on}: volume ${name} ${saidOf(comment)}, ${sizeMiB / 1024} GiB`,
    ),
    ...[...array.hosts.values()].map(({ name }) => `${on}: host ${name}`),
    ...[...array.volumeSets.values()].map(({ name, members, flashCache }) => {
      const inside = members.map((member) => member.name).join(', ');
      return `${on}: volume set ${name} of ${inside}${flashCache ? ' with flash cache' : ''}`;
    }),
    ...array.vluns.map(({ volume, host }) => `${on}: VLUN of ${volume.name} to ${host?.name ?? 'a port'}`),
    ...[...array.groups.values()].flatMap(({ name, role, roleReversed, state, members }) => [
      `${on}: group ${name} ${role}${roleReversed ? ' reversed' : ''} ${state}`,
      ...members.map(({ local, syncStatus }) => `${on}: group ${name} has ${local.name} ${syncStatus}`),
    ]),
  ];
}

/** Of a tag only whose it is: what else it holds is drawn anew. */
function saidOf(comment: string): string {
  if (comment === '') return 'without a tag';
  const { spec, display_name: name } = z
    .looseObject({ spec: z.unknown(), display_name: z.string() })
    .catch({ spec: undefined, display_name: comment })
    .parse(objectIn(comment));
  return spec === undefined ? `with the comment ${name}` : `tagged`;
}

function objectIn(comment: string): unknown {
  try {
    return JSON.parse(comment);
  } catch {
    return undefined;
  }
}

/** One line for each record that does not end by itself. */
export function metadataLines(records: [string, string][]): string[] {
  return records.filter(([key]) => !PASSING.test(key)).map(([key, text]) => metadataLine(entryOf(key, text)));
}

/** That a stop may come late is expected for some minutes. */
function metadataLine({ key, record }: Entry): string {
  const facts: Record<string, string[]> = {
    volume: ['state', 'everMounted', 'growth', 'createdGiB'],
    group: ['lastActive', 'createdByUs', 'owesStart'],
    attachment: ['state', 'side', 'nodeName'],
    operation: ['kind', 'phase', 'next', 'error'],
  };
  const [kind = ''] = key.split('/');
  const told = (facts[kind] ?? []).flatMap((name) =>
    name in record && record[name] !== 'stopping' ? [`${name}=${String(record[name])}`] : [],
  );
  return ['metadata:', key, ...told].join(' ');
}

/** Of no importance: the metadata are told elsewhere, what is remembered of them leads to nothing, and since when a volume was waited for is a clock that the next Mount uses or drops. */
const UNTOLD = ['metadata', 'cache', 'conflicts'];

/** Files below the state directory; of mounts also for whom, and no look into the mounted volumes. */
export async function stateLines({ stateDir, nodeName }: DaemonProcess): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(stateDir, { withFileTypes: true })) {
    const { name: folder } = entry;
    const where = path.join(stateDir, folder);
    if (UNTOLD.includes(folder) || !entry.isDirectory()) continue;
    for (const name of await readdir(where)) {
      const line = `${nodeName}: ${folder}/${name}`;
      lines.push(folder === 'mounts' ? `${line} ${await usersIn(path.join(where, name))}` : line);
    }
  }
  return lines;
}

async function usersIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const ids = z.object({ record: z.object({ ids: z.array(z.object({ id: z.string() })) }) });
  try {
    return ids
      .parse(JSON.parse(text))
      .record.ids.map(({ id }) => id.slice(0, 4))
      .toSorted()
      .join(' ');
  } catch {
    return 'unreadable';
  }
}

/** Mounts and loop devices on files of the lane. */
async function hostLines(dir: string): Promise<string[]> {
  const lines: string[] = [];
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const fields = line.split(' ');
    const target = fields[4] ?? '';
    if (!target.startsWith(`${dir}/`)) continue;
    const [node = ''] = path.relative(dir, target).split('/');
    const { blocks, bsize } = await statfs(target);
    lines.push(`${node}: mount ${path.basename(target)}, ${Math.round((blocks * bsize) / 1024 ** 3)} GiB`);
  }
  for (const loop of (await readdir('/sys/block')).filter((each) => each.startsWith('loop'))) {
    const file = (await readFile(`/sys/block/${loop}/loop/backing_file`, 'utf8').catch(() => '')).trim();
    if (!file.startsWith(`${dir}/`)) continue;
    const name = path.basename(file.replace(/ \(deleted\)$/, ''));
    lines.push(`host: loop device on ${name}${file.endsWith('(deleted)') ? ', cut off' : ''}`);
  }
  return lines;
}
