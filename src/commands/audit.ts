import { mkdir, open } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { randomUUID } from 'node:crypto';

export interface AuditEntry {
  event: 'begin' | 'answer' | 'about-to' | 'done' | 'failed' | 'end';
  what: string;
  /** Why it was allowed, or what went wrong. */
  reason?: string;
}

/** Who did what and when, in `<state-dir>/audit.log`: a JSON object a line, only ever appended to, on disk before the deed. */
export interface Audit {
  write(entry: AuditEntry): Promise<void>;
}

/** @param command as it was typed, for all entries of this run */
export async function openAudit(stateDir: string, command: string): Promise<Audit> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const file = path.join(stateDir, 'audit.log');
  const run = randomUUID();
  return {
    async write(entry) {
      const line = { at: new Date().toISOString(), run, by: whoTypes(), node: hostname(), command, ...entry };
      const handle = await open(file, 'a', 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(line)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}

/** The person behind sudo, where there is one. */
export function whoTypes(): string {
  const username = userName();
  const person = process.env['SUDO_USER'];
  return person === undefined || person === '' ? username : `${person} (as ${username})`;
}

/** In a container the user may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
