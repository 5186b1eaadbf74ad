import { jest } from '@jest/globals';
import { EtcdClient } from '../src/store/etcd-client.js';

/** Names of the volumes whose records etcd has told to this process from now on, each as often as it was told. */
export function volumesTold(prefix: string): string[] {
  const told: string[] = [];
  const { txn } = EtcdClient.prototype;
  jest.spyOn(EtcdClient.prototype, 'txn').mockImplementation(async function (this: EtcdClient, ...args) {
    const answer = await txn.apply(this, args);
    for (const response of answer.responses) {
      for (const { key, value } of response.response_range?.kvs ?? []) {
        const text = key.toString();
        if (text.startsWith(`${prefix}volume/`) && value.length > 0) told.push(text.slice(`${prefix}volume/`.length));
      }
    }
    return answer;
  });
  return told;
}
