import { expect, it } from '@jest/globals';
import { DriverError } from '../../../src/domain/errors.js';
import { pagesBelow } from '../../../src/store/etcd-pages.js';
import type { GuardedEtcd } from '../../../src/store/etcd-root.js';

const signal = AbortSignal.timeout(10_000);
const COUNT = 12_001;
const nameOf = (i: number): string => `v${String(i).padStart(5, '0')}`;

interface Range {
  key: Buffer;
  limit: number;
  revision?: string;
}

/** An etcd of so many keys; fails from that question on. Tells the revisions that it was asked for. */
function anEtcd(failsFrom = Infinity): { etcd: GuardedEtcd; asked: unknown[] } {
  const names = Array.from({ length: COUNT }, (_, i) => nameOf(i));
  const asked: unknown[] = [];
  const txn = async (request: { success: [{ request_range: Range }] }) => {
    const { key, limit, revision } = request.success[0].request_range;
    asked.push(revision);
    if (asked.length >= failsFrom) throw new DriverError('unavailable', 'etcd is away');
    const from = names.findIndex((name) => `a/${name}` >= key.toString());
    const kvs = names
      .slice(from, from + limit)
      .map((name) => ({ key: Buffer.from(`a/${name}`), value: Buffer.from('x') }));
    const more = from + limit < COUNT;
    return Promise.resolve({ header: { revision: '7' }, responses: [{ response_range: { kvs, more } }] });
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { etcd: { txn } as unknown as GuardedEtcd, asked };
}

it.each([true, false])(
  'all keys of one moment are told, each once, in their order (keys only: %s)',
  async (keysOnly) => {
    const { etcd, asked } = anEtcd();
    const told: string[] = [];
    for await (const page of pagesBelow(etcd, 'a/', { signal, keysOnly })) told.push(...page.map(({ rest }) => rest));
    expect(told).toEqual(Array.from({ length: COUNT }, (_, i) => nameOf(i)));
    expect(new Set(asked.slice(1))).toEqual(new Set(['7']));
  },
);

it('the next names are asked for while these are looked at, the next records are not', async () => {
  for (const [keysOnly, questions] of [
    [true, 2],
    [false, 1],
  ] as const) {
    const { etcd, asked } = anEtcd();
    for await (const page of pagesBelow(etcd, 'a/', { signal, keysOnly })) {
      expect(page.length).toBeGreaterThan(0);
      break;
    }
    expect(asked.length).toBe(questions);
  }
});

it('a page that cannot be had fails in its turn, and harms nobody who has stopped before', async () => {
  const { etcd } = anEtcd(2);
  const pages = pagesBelow(etcd, 'a/', { signal, keysOnly: true });
  expect(await pages.next()).toMatchObject({ done: false, value: { length: 5_000 } });
  // Nobody waits for it.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expect(pages.next()).rejects.toMatchObject({ code: 'unavailable' });
});
