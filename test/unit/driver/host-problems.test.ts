import { describe, expect, it } from '@jest/globals';
import { DriverError } from '../../../src/domain/errors.js';
import { HostProblems } from '../../../src/driver/host-problems.js';

function problems(find: (backend: string, signal: AbortSignal) => Promise<string[]>) {
  const said: string[] = [];
  const write = (message: string, fields?: Record<string, unknown>): void => {
    said.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger = { debug: write, info: write, warn: write, error: write };
  return { watch: new HostProblems({ find, logger }), said };
}

describe('the problems of a host', () => {
  it('go to the log, once for each look', async () => {
    let looks = 0;
    let end = (_found: string[]): void => undefined;
    const { watch, said } = problems(
      async () =>
        new Promise((resolve) => {
          looks += 1;
          end = resolve;
        }),
    );
    watch.look('DEFAULT');
    watch.look('DEFAULT');
    end(['multipathd does not run; next: systemctl start multipathd', 'another']);
    await watch.stop();
    expect(looks).toBe(1);
    expect(said).toEqual([
      'this host: multipathd does not run; next: systemctl start multipathd {"backend":"DEFAULT"}',
      'this host: another {"backend":"DEFAULT"}',
    ]);
  });

  it('are looked for in vain without any harm', async () => {
    const { watch, said } = problems(async () => Promise.reject(new DriverError('unavailable', 'no such tool')));
    watch.look('DEFAULT');
    await new Promise(setImmediate);
    expect(said).toEqual([
      'the settings of this host could not be looked at {"backend":"DEFAULT","reason":"no such tool"}',
    ]);
    watch.look('DEFAULT');
    await new Promise(setImmediate);
    expect(said).toHaveLength(2);
    await watch.stop();
  });

  it('keep nobody from stopping', async () => {
    const { watch, said } = problems(
      async (_backend, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        }),
    );
    watch.look('DEFAULT');
    await watch.stop();
    watch.look('DEFAULT');
    expect(said).toEqual([]);
  });
});
