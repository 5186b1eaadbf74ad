import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const DIR = '/run/watched-tools';

/** A tool of the guest whose calls are counted, and which can be made to do something else. */
export interface WatchedTool {
  /** Arguments of each call so far. */
  calls(): string[];
  /** Runs that shell script in its place; without one, the tool itself. */
  does(script?: string): void;
  /** Nobody stands before the tool any more. */
  release(): void;
}

/** Stands before the tool in the search path of the daemon. */
export function watchTool(file: string): WatchedTool {
  const name = file.replace(/.*\//, '');
  const [stand, log] = [`/usr/local/bin/${name}`, `${DIR}/${name}`];
  const does: WatchedTool['does'] = (script = `exec ${file} "$@"`) => {
    writeFileSync(stand, `#!/bin/sh\necho "$*" >>${log}\n${script}\n`);
    chmodSync(stand, 0o755);
  };
  mkdirSync(DIR, { recursive: true });
  does();
  return {
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
    does,
    release: () => rmSync(stand),
  };
}
