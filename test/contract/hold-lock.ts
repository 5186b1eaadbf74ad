import { DriverError } from '../../src/domain/errors.js';
import { openEtcdStore } from '../../src/store/etcd-store.js';

/** Another node that takes a lock, holds it, and commits at every line on stdin: `hold-lock.ts HOST STATE_DIR KEY`. */
const [host = '', stateDir = '', key = ''] = process.argv.slice(2);
const silence = (): void => undefined;
const store = openEtcdStore({
  hosts: [host],
  node: { id: 'child', name: 'child-node' },
  stateDir,
  leaseTtl: 3,
  logger: { debug: silence, info: silence, warn: silence, error: silence },
});
const fence = await store.lock([key], AbortSignal.timeout(5_000));
process.stdout.write('locked\n');
process.stdin.on('data', () => {
  store
    .commit(fence, [{ put: 'pin', key: 'child', value: { peer: 'child', fingerprint: 'x' } }])
    .then(
      () => 'committed',
      (error: unknown) => (error instanceof DriverError ? error.code : 'defect'),
    )
    .then((outcome) => process.stdout.write(`${outcome}, signal ${fence.signal.aborted ? 'fired' : 'silent'}\n`))
    .catch(() => process.exit(1));
});
