import type { PinStore } from '../contracts/array.js';
import type { MetadataStore } from '../contracts/store.js';

/** Longer than the lock of a node that died with it stays. */
const TIMEOUT_MS = 30_000;

/** Certificates and host keys seen at first contact, kept in the metadata so that all nodes trust the same ones. */
export function pinsIn(store: MetadataStore): PinStore {
  return {
    async find(peer) {
      return (await store.find('pin', peer, AbortSignal.timeout(TIMEOUT_MS)))?.fingerprint;
    },
    async save(peer, fingerprint) {
      const fence = await store.lock([`pin/${peer}`], AbortSignal.timeout(TIMEOUT_MS));
      try {
        await store.commit(fence, [{ put: 'pin', key: peer, value: { peer, fingerprint } }]);
      } finally {
        await fence.release();
      }
    },
  };
}
