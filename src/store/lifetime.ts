import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/*
 * A record that ends by itself, on a single host: its first line says when. The time is the kernel's monotonic clock, which
 * all processes share, nobody can set, and a reboot begins anew; so a reboot ends the record, too.
 */

const lifetime = z.strictObject({ bootId: z.string(), endsAtMs: z.number() });

/** The record's text with its end. */
export async function withLifetime(text: string, seconds: number): Promise<string> {
  return `${JSON.stringify({ bootId: await bootId(), endsAtMs: monotonicMs() + seconds * 1000 })}\n${text}`;
}

/** The record's text, or undefined when it has ended; one whose end cannot be read has. */
export async function textIfAlive(stored: string): Promise<string | undefined> {
  const lineEnd = stored.indexOf('\n');
  // JSON text has no line ends.
  if (lineEnd === -1) return stored;
  const { success, data } = lifetime.safeParse(parse(stored.slice(0, lineEnd)));
  const isAlive = success && data.bootId === (await bootId()) && monotonicMs() < data.endsAtMs;
  return isAlive ? stored.slice(lineEnd + 1) : undefined;
}

/** CLOCK_MONOTONIC; unlike `performance.now()` it has the same origin in every process. */
const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
