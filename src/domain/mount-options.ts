import type { FilesystemType } from './volume.js';

/** Options of which a mount takes one at most. */
const ALTERNATIVES: readonly (readonly string[])[] = [
  ['noatime', 'relatime', 'strictatime'],
  ['discard', 'nodiscard'],
];
const PLAIN = ['nodiratime', 'lazytime', 'nodev', 'nosuid', 'noexec', 'sync', 'dirsync', ...ALTERNATIVES.flat()];

/** Those with a value, and whose they are. None makes a crash cost more than the file system's defaults do. */
const VALUED = new Map<string, { of: FilesystemType; value: RegExp }>(
  Object.entries({
    commit: { of: 'ext4', value: /^[1-5]$/ },
    data: { of: 'ext4', value: /^(ordered|journal)$/ },
    allocsize: { of: 'xfs', value: /^(64k|1m|16m|64m)$/ },
    logbufs: { of: 'xfs', value: /^[2-8]$/ },
    logbsize: { of: 'xfs', value: /^(32k|64k|128k|256k)$/ },
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
 * `mountOptions`: a list like `noatime,nodev` of options that can neither hide an error nor lose what was synced. Without a
 * type (the file system comes from elsewhere) those of every type are taken. @throws Error naming the first problem
 */
export function parseMountOptions(text: string, type?: FilesystemType): string {
  const names = text.split(',').map((option) => parseOption(option, type));
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new Error(`${repeated} is there twice`);
  for (const group of ALTERNATIVES) {
    const [one, other] = group.filter((name) => names.includes(name));
    if (other !== undefined) throw new Error(`${one} and ${other} contradict each other`);
  }
  return text;
}

/** Its name. */
function parseOption(option: string, type: FilesystemType | undefined): string {
  const [name = '', ...rest] = option.split('=');
  const why = REFUSED.get(name);
  if (why !== undefined) throw new Error(`${name} is not taken: ${why}`);
  if (PLAIN.includes(name) && rest.length === 0) return name;
  const valued = VALUED.get(name);
  if (valued === undefined || rest.length !== 1 || !valued.value.test(rest[0] ?? '')) {
    throw new Error(`${JSON.stringify(option)} is not taken (known: ${knownOptions(type)})`);
  }
  if (type !== undefined && valued.of !== type) throw new Error(`${name} is an option of ${valued.of}, not of ${type}`);
  return name;
}

/** For `-o help` and errors: with the form of their values. */
export function knownOptions(type?: FilesystemType): string {
  const valued = [...VALUED].filter(([, each]) => type === undefined || each.of === type);
  return [...PLAIN, ...valued.map(([name, { value }]) => `${name}=${value.source.replaceAll(/[\^$()]/g, '')}`)].join(
    ', ',
  );
}
