import { openEtcdStore } from '../../src/store/etcd-store.js';

/** Another node that takes a lock and holds it: `hold-lock.ts HOST STATE_DIR KEY`. */
const [host = '', stateDir = '', key = ''] = process.argv.slice(2);
const silence = (): void => undefined;
const store = openEtcdStore({
  hosts: [host],
  node: { id: 'child', name: 'child-node' },
  stateDir,
  leaseTtl: 3,
  logger: { debug: silence, info: silence, warn: silence, error: silence },
});
await store.lock([key], AbortSignal.timeout(5_000));
process.stdout.write('locked\n');
setInterval(silence, 1_000);
