import { openEtcdStore } from '../../src/store/etcd-store.js';

/** Another node that announces itself and watches: `announce.ts HOST STATE_DIR NODE [SECONDS OF ITS LEASE]`; closes its store at a line on stdin. */
const [host = '', stateDir = '', id = '', ttl = '3'] = process.argv.slice(2);
const silence = (): void => undefined;
const store = openEtcdStore({
  hosts: [host],
  node: { id, name: `name of ${id}` },
  stateDir,
  leaseTtl: Number(ttl),
  logger: { debug: silence, info: silence, warn: silence, error: silence },
});
store.announce();
store.watch('volume', silence);
process.stdout.write('announced\n');
process.stdin.once('data', () => {
  process.stdin.destroy();
  store.close().catch(() => process.exit(1));
});
