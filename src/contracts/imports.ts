import type { ArrayVolume } from './array.js';

/** A volume or snapshot that somebody made on the array, and what speaks against its being taken over. */
export interface FoundVolume {
  volume: ArrayVolume;
  isSnapshot: boolean;
  /** An online copy to it runs, or was given up. */
  isCopy: boolean;
  isReadOnly: boolean;
  /** It is a member of a remote copy group, with its name where the array tells it. */
  group: string | undefined;
  /** ISO 8601; the array deletes it then. */
  expiresAt: string | undefined;
  /** Names of the volume sets that it is in. */
  sets: string[];
}

/** Which volume is meant, whatever it is called: its WWN stays. */
export interface NamedVolume {
  name: string;
  wwn: string;
}

/** Taking over and giving back what an administrator has made; the promises of `ArrayClient` hold here, too. */
export interface Imports {
  look(name: string, signal: AbortSignal): Promise<FoundVolume | undefined>;
  /** Renamed already is success. @throws `exists` when another volume has the new name, `not-found` when the volume has neither */
  rename(volume: NamedVolume, newName: string, signal: AbortSignal): Promise<void>;
  /** Changed already is success. @throws `refused` when the comment is neither, or the volume of that name another one */
  changeComment(volume: NamedVolume, comment: { from: string; to: string }, signal: AbortSignal): Promise<void>;
}
