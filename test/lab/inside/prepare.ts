import { writeFileSync } from 'node:fs';
import { inventory } from './checks.js';
import { endAfter } from './command-line.js';
import { bringFabricsUp, layFibreChannel } from './fibre-channel.js';
import { bringForeignStorageUp } from './foreign.js';
import { bringNetworkUp } from './network.js';
import { PREPARED, type Prepared } from './prepared.js';
import { startDockerd, startEtcd, startSimulator } from './services.js';

// Starts everything that all scenarios need, once: the state in which the machine is saved.
await endAfter(async () => {
  const engine = startDockerd();
  await bringNetworkUp();
  const etcd = startEtcd();
  await layFibreChannel();
  const pair = await startSimulator();
  await bringFabricsUp();
  await bringForeignStorageUp();
  await Promise.all([engine, etcd]);
  writeFileSync(PREPARED, JSON.stringify({ pair, inventory: await inventory(pair) } satisfies Prepared));
});
