import { expect, it, jest } from '@jest/globals';
import { Agent } from 'node:https';

let loads = 0;
jest.unstable_mockModule('axios', () => {
  loads += 1;
  if (loads === 1) throw new Error('EMFILE: too many open files');
  return { create: () => ({ request: async () => Promise.resolve({ status: 200, data: '{}', headers: {} }) }) };
});
const { Transport, NoReply } = await import('../../../src/array/transport.js');

it('a library that cannot be loaded is no silence of the array, and is loaded again by the next call', async () => {
  const transport = new Transport('https://127.0.0.1:9/api/v1', new Agent());
  const ask = async () => transport.exchange({ method: 'GET', path: 'system' }, AbortSignal.timeout(5_000));
  const failure: unknown = await ask().catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ message: 'EMFILE: too many open files' });
  expect(failure).not.toBeInstanceOf(NoReply);
  expect(await ask()).toMatchObject({ status: 200, text: '{}' });
  transport.close();
});
