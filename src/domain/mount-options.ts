import type { FilesystemType } from './volume.js';

/** Options of which a mount takes one at most. */
const ALTERNATIVES: readonly (readonly string[])[] = [
  ['noatime', 'relatime', 'strictatime'],
  ['discard', 'nodiscard'],
];
const PLAIN = ['nodiratime', 'lazytime', 'nodev', 'nosuid', 'noexec', 'sync', 'dirsync', ...ALTERNATIVES.flat()];

/** Those with a value, and whose they are. None loses what was synced. */
const VALUED = new Map<string, { of: FilesystemType; value: RegExp; form: string }>(
  Object.entries({
    commit: { of: 'ext4', value: /^([1-9]|[1-5]\d|60)$/, form: 'SECONDS up to 60' },
    data: { of: 'ext4', value: /^(ordered|journal)$/, form: 'ordered or journal' },
    allocsize: { of: 'xfs', value: /^(64k|1m|16m|64m)$/, form: '64k, 1m, 16m or 64m' },
    logbufs: { of: 'xfs', value: /^[2-8]$/, form: '2 to 8' },
    logbsize: { of: 'xfs', value: /^(32k|64k|128k|256k)$/, form: '32k, 64k, 128k or 256k' },
  }),
);

/** Why an option that people try is not taken. */
const REFUSED = new Map(
  Object.entries({
    ro: 'a volume is mounted for all its containers; ask for it where one uses it: docker run -v NAME:/path:ro',
    rw: 'it always is',
    errors: 'a damaged file system has to show, and must not stop the host; the default stays',
    nouuid: 'it hides that two copies of one volume are mounted',
    norecovery: 'without its journal a file system shows files as they never were',
    noload: 'without its journal a file system shows files as they never were',
    nobarrier: 'what was synced would be lost with the power',
    barrier: 'what was synced would be lost with the power',
    remount: 'the plugin alone says what is mounted where',
    bind: 'the plugin alone says what is mounted where',
    loop: 'the plugin alone says what is mounted where',
  }),
);

/**
 * `mountOptions`: a list like `noatime,nodev` of options that can neither hide an error nor lose what was synced.
 * @throws Error naming the first problem
 */
export function parseMountOptions(text: string): string {
  const names = text.split(',').map(parseOption);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new Error(`${repeated} is there twice`);
  for (const group of ALTERNATIVES) {
    const [one, other] = group.filter((name) => names.includes(name));
    if (other !== undefined) throw new Error(`${one} and ${other} contradict each other`);
  }
  return text;
}

/** Those of a list that are of another file system. */
export function misfits(text: string, type: FilesystemType): string[] {
  return text.split(',').filter((option) => {
    const valued = VALUED.get(nameOf(option));
    return valued !== undefined && valued.of !== type;
  });
}

const nameOf = (option: string): string => option.split('=')[0] ?? '';

/** Its name. */
function parseOption(option: string): string {
  const name = nameOf(option);
  const why = REFUSED.get(name);
  if (why !== undefined) throw new Error(`${name} is not taken: ${why}`);
  const isKnown = PLAIN.includes(option) || VALUED.get(name)?.value.test(option.slice(name.length + 1)) === true;
  if (isKnown) return name;
  throw new Error(`${JSON.stringify(option)} is not taken (known: ${knownMountOptions()})`);
}

/** For people. */
export function knownMountOptions(): string {
  const valued = [...VALUED].map(([name, { of, form }]) => `${name}= (${of}: ${form})`);
  return [...PLAIN, ...valued].join(', ');
}
