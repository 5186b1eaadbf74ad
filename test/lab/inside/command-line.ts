import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { LOGS } from './command.js';

/** Does the work of a program in the guest, and ends it; its failure and the logs of all others are for the host to see. */
export async function endAfter(work: () => Promise<void>): Promise<void> {
  let status = 0;
  try {
    await work();
  } catch (error) {
    console.log(error instanceof Error ? error.stack : error);
    status = 1;
  }
  mkdirSync('/host/logs', { recursive: true });
  for (const file of readdirSync(LOGS)) copyFileSync(`${LOGS}/${file}`, `/host/logs/${file}`);
  process.exit(status);
}
