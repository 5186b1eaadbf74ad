import { jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import http from 'node:http';
import { EtcdClient } from '../src/store/etcd-client.js';

const listeners = new AsyncLocalStorage<string[]>();

/**
 * Names of the volumes whose records (or attachments, if these are asked for) etcd tells to this process from now on, each as
 * often as it was told: to anybody, or only to those who were asked by `hearing`. Ends with `jest.restoreAllMocks()`.
 */
export function volumesTold(
  prefix: string,
  to: 'anybody' | 'hearing' = 'anybody',
  kinds: readonly ('volume' | 'attachment')[] = ['volume'],
): string[] {
  const told: string[] = [];
  const { txn } = EtcdClient.prototype;
  jest.spyOn(EtcdClient.prototype, 'txn').mockImplementation(async function (this: EtcdClient, ...args) {
    const answer = await txn.apply(this, args);
    const heard = to === 'anybody' ? told : listeners.getStore();
    for (const response of answer.responses) {
      for (const { key, value } of response.response_range?.kvs ?? []) {
        const text = key.toString();
        const kind = kinds.find((each) => text.startsWith(`${prefix}${each}/`));
        if (kind !== undefined && value.length > 0) heard?.push(text.slice(`${prefix}${kind}/`.length));
      }
    }
    return answer;
  });
  return told;
}

/** The work, and what goes on because of it, is told into the list. */
export const hearing = <T>(told: string[], work: () => T): T => listeners.run(told, work);

/** So are all requests that HTTP servers of this process take from now on. */
export function hearRequests(told: string[]): void {
  const { emit } = EventEmitter.prototype;
  const heard = function (this: http.Server, ...all: Parameters<typeof emit>): boolean {
    const go = (): boolean => emit.apply(this, all);
    return all[0] === 'request' ? hearing(told, go) : go();
  };
  jest.spyOn(http.Server.prototype, 'emit').mockImplementation(heard);
}
