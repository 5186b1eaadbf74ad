/** What the root of a file system that we made is given, once (rule 22). */
export interface RootDirectory {
  /** `uid:gid` */
  owner?: string;
  /** Octal digits. */
  mode?: string;
}

/** Nothing, when neither was asked for. */
export function rootDirectoryOf(spec: { fsOwner?: string; fsMode?: string }): RootDirectory | undefined {
  const { fsOwner, fsMode } = spec;
  if (fsOwner === undefined && fsMode === undefined) return undefined;
  return { ...(fsOwner === undefined ? {} : { owner: fsOwner }), ...(fsMode === undefined ? {} : { mode: fsMode }) };
}
