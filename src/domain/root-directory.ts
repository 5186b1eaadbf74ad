/** 2^32 - 1 means "leave it" to chown. */
const LARGEST_ID = 2 ** 32 - 2;

/** What the root of a file system that we made is given, once (rule 22). */
export interface RootDirectory {
  /** `uid:gid` */
  owner?: string;
  /** Octal digits. */
  mode?: string;
}

/** `uid:gid` in decimal digits: names mean something else on each host. @throws Error */
export function parseOwner(text: string): string {
  const ids = /^(\d{1,10}):(\d{1,10})$/.exec(text)?.slice(1).map(Number) ?? [];
  if (ids.length === 2 && ids.every((id) => id <= LARGEST_ID)) return ids.join(':');
  throw new Error(`${JSON.stringify(text)} is not uid:gid in digits, such as 1001:1001`);
}

/** 1 to 4 octal digits, as they are. @throws Error */
export function parseMode(text: string): string {
  if (/^[0-7]{1,4}$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is not a mode of 1 to 4 octal digits, such as 0755`);
}

/** Nothing, when neither was asked for. */
export function rootDirectoryOf(spec: { fsOwner?: string; fsMode?: string }): RootDirectory | undefined {
  const { fsOwner, fsMode } = spec;
  if (fsOwner === undefined && fsMode === undefined) return undefined;
  return { ...(fsOwner === undefined ? {} : { owner: fsOwner }), ...(fsMode === undefined ? {} : { mode: fsMode }) };
}
