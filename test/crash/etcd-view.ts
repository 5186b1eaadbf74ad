import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Etcd3 } from 'etcd3';
import type { DaemonProcess } from '../daemon-process.js';

const PREFIX = '/hpe-volume-plugin/v1/';

/** The metadata of the product in an etcd, as a test looks at them. */
export interface EtcdView {
  /** Keys below our prefix, and texts. */
  read(): Promise<[string, string][]>;
  /** Takes keys below our prefix away behind everybody's back; all that start so. */
  lose(start: string): Promise<void>;
  /** What etcd does 10 s after the death of a daemon: the leases of its locks and of its presence end. */
  endLeases(of: DaemonProcess): Promise<void>;
}

export function etcdView(client: Etcd3): EtcdView {
  return {
    read: async () => Object.entries(await client.namespace(PREFIX).getAll().strings()),
    lose: async (start) => void (await client.delete().prefix(`${PREFIX}${start}`)),
    async endLeases({ stateDir }) {
      const nodeId = (await readFile(path.join(stateDir, 'node-id'), 'utf8')).trim();
      const { kvs } = await client.getAll().prefix(PREFIX).exec();
      const own = kvs.filter(
        ({ key, value, lease }) => lease !== '0' && `${String(key)} ${String(value)}`.includes(nodeId),
      );
      for (const ID of new Set(own.map(({ lease }) => lease))) await client.leaseClient.leaseRevoke({ ID });
    },
  };
}
