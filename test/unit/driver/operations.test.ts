import { expect, it } from '@jest/globals';
import type { Fence, Write } from '../../../src/contracts/store.js';
import type { DriverContext } from '../../../src/driver/context.js';
import { volumeKey } from '../../../src/driver/keys.js';
import { Operations } from '../../../src/driver/operations.js';
import type { Operation } from '../../../src/saga/operation.js';
import { anOperation } from '../../contract/store-records.js';

const GROUP = 'volumes-of-group/DEFAULT/g';
const KEYS = [volumeKey('v'), GROUP];
const silence = (): void => undefined;
const soon = (): AbortSignal => AbortSignal.timeout(1_000);

/** Operations on a store of one volume; what is asked of it, and done under its locks, is told in order. */
function setUp(open: Operation | undefined, released = Promise.resolve()): { operations: Operations; told: string[] } {
  const told: string[] = [];
  let operation = open;
  const store = {
    async findAll(wanted: [string, string][]) {
      told.push('look');
      return Promise.resolve(wanted.map(([kind]) => (kind === 'operation' ? operation : undefined)));
    },
    async lockAndFind(keys: string[], wanted: [string, string][]) {
      told.push(`lock ${keys.join(' ')}`);
      const release = async (): Promise<void> => {
        told.push('give back');
        return released;
      };
      const fence: Fence = { keys, signal: new AbortController().signal, release };
      return { fence, found: await this.findAll(wanted) };
    },
    async commit(_fence: Fence, writes: Write[]) {
      told.push(...writes.map((write) => `write ${'put' in write ? write.put : write.remove}`));
      return Promise.resolve();
    },
  };
  const ctx = { store, node: { id: 'node-id' }, logger: { info: silence, warn: silence, debug: silence } };
  const settle = async (): Promise<void> => {
    told.push('settle');
    operation = undefined;
    return Promise.resolve();
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { operations: new Operations(ctx as unknown as DriverContext, { remove: settle, mount: settle }), told };
}

const open = (more: Partial<Operation>): Operation => ({ ...anOperation('v'), kind: 'remove', keys: KEYS, ...more });

async function work(operations: Operations, keys: string[], robs?: string): Promise<string> {
  const on = { volume: 'v', keys, ...(robs === undefined ? {} : { robs }) };
  return operations.withVolume(on, soon(), async () => Promise.resolve('done'));
}

it('a volume that nothing is open on is locked once, and looked at under the lock', async () => {
  const { operations, told } = setUp(undefined);
  expect(await work(operations, [GROUP])).toBe('done');
  expect(told).toEqual([`lock ${KEYS.join(' ')}`, 'look', 'give back']);
});

it('a verb is done when its work is, and does not wait for its locks to be given up', async () => {
  const { operations, told } = setUp(undefined, new Promise<void>(silence));
  expect(await work(operations, [GROUP])).toBe('done');
  expect(told.at(-1)).toBe('give back');
});

it('an open operation is settled under its own locks, never under those of the verb', async () => {
  const { operations, told } = setUp(open({}));
  expect(await work(operations, ['volume/source'])).toBe('done');
  expect(told.join(', ')).toBe(
    [
      'lock volume/v volume/source, look, give back',
      `lock ${KEYS.join(' ')}, look, settle, give back`,
      'lock volume/v volume/source, look, give back',
    ].join(', '),
  );
});

it('who needs no other lock goes on under those of the operation that was open', async () => {
  const { operations, told } = setUp(open({}));
  expect(await work(operations, [])).toBe('done');
  expect(told.join(', ')).toBe(
    ['lock volume/v, look, give back', `lock ${KEYS.join(' ')}, look, settle, look, give back`].join(', '),
  );
});

it('a mount that another node left open is not settled here', async () => {
  const { operations } = setUp(open({ kind: 'mount', node: 'other-id' }));
  await expect(work(operations, [GROUP])).rejects.toMatchObject({ code: 'busy' });
});

it('what the node that is robbed left open is not settled, but looked for later', async () => {
  const { operations, told } = setUp(open({ kind: 'mount', node: 'other-id' }));
  expect(await work(operations, [GROUP], 'other-id')).toBe('done');
  expect(told).not.toContain('settle');
  expect(told).toContain('write late');
});
