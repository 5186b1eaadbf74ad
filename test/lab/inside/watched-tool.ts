import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const DIR = '/run/watched-tools';

/** A tool of the guest whose calls are counted, and which can be made to do something else. */
export interface WatchedTool {
  /** Arguments of each call so far. */
  calls(): string[];
  /** Runs that shell script instead where `argument` is in the arguments; without it the tool does what it does. */
  does(script?: string, argument?: string): void;
  /** Nobody stands before the tool any more. */
  release(): void;
}

/** Stands before the tool in the search path of the daemon. */
export function watchTool(file: string): WatchedTool {
  const name = file.replace(/.*\//, '');
  const [stand, log] = [`/usr/local/bin/${name}`, `${DIR}/${name}`];
  const does: WatchedTool['does'] = (script = ':', argument = '') => {
    const lines = [
      '#!/bin/sh',
      `echo "$*" >>${log}`,
      `case "$*" in *${argument}*) ${script};; esac`,
      `exec ${file} "$@"`,
    ];
    writeFileSync(stand, `${lines.join('\n')}\n`);
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
