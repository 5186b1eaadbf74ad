import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { Connections } from '../../src/array/connections.js';
import { Wsapi } from '../../src/array/wsapi.js';
import { DriverError } from '../../src/domain/errors.js';
import { firstOf } from '../../src/domain/signals.js';
import { Secret } from '../../src/domain/secret.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { NO_SSH } from '../unit/array/array-settings.js';

/**
 * Another node that changes something on an array under a lock: `change-array.ts HOST STATE_DIR API_URL READS LEASE_SECONDS`,
 * after as many reads, of which it waits for one only. At a line on stdin it is busy for a while, in which it may be stopped.
 */
const [host = '', stateDir = '', apiUrl = '', reads = '0', lease = ''] = process.argv.slice(2);
const silence = (): void => undefined;
const logger = { debug: silence, info: silence, warn: silence, error: silence };
const say = (line: string): void => void writeSync(1, `${line}\n`);

process.stdin.on('data', () => {
  setTimeout(() => {
    say('busy');
    const until = performance.now() + 500;
    while (performance.now() < until);
  }, 1);
});
const node = { id: 'child', name: 'child' };
const store = openEtcdStore({ hosts: [host], node, stateDir, leaseTtl: Number(lease), logger });
const settings = { label: 'array', apiUrl, username: 'u', password: new Secret('p'), tlsVerify: false, ssh: NO_SSH };
const pins = { find: async () => Promise.resolve(undefined), save: async () => Promise.resolve() };
const wsapi = new Wsapi(settings, new Connections({ pins, logger }).take(settings), logger);
const fence = await store.lock(['volume/a'], AbortSignal.timeout(5_000));
// As the driver does it.
const signal = firstOf(firstOf(AbortSignal.timeout(60_000), fence.signal), new AbortController().signal);
const read = async (): Promise<unknown> => wsapi.get({ path: 'system', schema: z.unknown() }, signal);
// Otherwise there is one connection too many, that of the login.
if (reads !== '0') await read();
const answers = Array.from({ length: Number(reads) }, read);
for (const answer of answers) answer.catch(silence);
if (answers.length === 1) await answers[0];
// Until all connections that there may be are in use.
if (answers.length > 1) await pause(300);
wsapi
  .change({ method: 'PUT', path: 'volumes/x', body: {} }, signal)
  .then(
    () => 'changed',
    (error: unknown) => (error instanceof DriverError ? error.code : String(error)),
  )
  .then((outcome) => {
    say(`outcome: ${outcome}`);
    process.exit(0);
  })
  .catch(() => process.exit(1));
