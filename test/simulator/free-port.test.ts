import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { chooseCommonPort } from '../../src/simulator/free-port.js';

const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const;
/** Of so many random ports some would be equal, but for one run in 300. */
const MANY = 500;

describe('Free ports', () => {
  it('are never given twice, though nobody listens on them yet', async () => {
    const ports: number[] = [];
    for (let i = 0; i < MANY; i += 1) ports.push(await chooseCommonPort(ADDRESSES));
    expect(new Set(ports).size).toBe(MANY);
  });

  it('are not given by another process either, while the first one lives', async () => {
    const ask = `const { chooseCommonPort } = await import('./src/simulator/free-port.ts');
      for (let i = 0; i < ${MANY}; i += 1) console.log(await chooseCommonPort(${JSON.stringify(ADDRESSES)}));`;
    const child = async (): Promise<string[]> => {
      const args = ['--import', 'tsx', '--input-type=module', '--eval', ask];
      return (await promisify(execFile)(process.execPath, args)).stdout.trim().split('\n');
    };
    const here = new Set<string>();
    for (let i = 0; i < MANY; i += 1) here.add(String(await chooseCommonPort(ADDRESSES)));
    const there = await child();
    expect(there).toHaveLength(MANY);
    expect(there.filter((port) => here.has(port))).toEqual([]);
  });
});
