/** good.conf with something broken in it, and all that hpe.conf's reader says about it. */
export interface BrokenFile {
  name: string;
  /** What is replaced, and by what. */
  edits: [string | RegExp, string][];
  /** After the file name. */
  messages: string[];
}
