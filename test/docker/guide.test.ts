import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { arrayOf } from '../pair-client.js';
import { arrayObjects } from '../simulator-state.js';
import { IMAGE } from './engine.js';
import { container, hands } from './hands.js';
import { startStack, type Stack } from './stack.js';

jest.setTimeout(180_000);

const root = fileURLToPath(new URL('../..', import.meta.url));

let stack: Stack;
const hand = hands(() => stack);

beforeAll(async () => {
  stack = await startStack({ driver: 'hpe-guide', mode: 'synchronous' });
});
afterAll(async () => {
  await stack.stop();
});

/** The command as an operator types it; ended with SIGKILL as soon as it has said `killAt`. */
async function type(
  args: string[],
  killAt?: string,
  inside: string[] = [],
): Promise<{ code: number | null; said: string }> {
  const socket = (stack.engine.dockerd?.host ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  const where = ['--config', path.join(stack.dir, 'hpe.conf'), '--state-dir', path.join(stack.dir, 'state')];
  const all = ['--import', 'tsx', path.join(root, 'src/main.ts'), ...args, ...where];
  const withDocker = args[0] === 'verify' ? all : [...all, '--docker-socket', socket];
  const typed = inside.length === 0 ? withDocker : [...withDocker, '--', ...inside];
  const child = spawn(process.execPath, typed, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      said += data.toString();
      if (killAt !== undefined && said.includes(`  ${killAt}`)) child.kill('SIGKILL');
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

it('failover run and failback run stop and start real containers; a run that is killed in the middle goes on', async () => {
  const [primary, secondary] = [arrayOf(stack.pair, 'primary'), arrayOf(stack.pair, 'secondary')];
  await hand.create('db', 'replicationGroup=RCG1', 'size=1');
  await hand.run('db', 'db', '--stop-timeout', '1');
  await hand.inside('db', 'echo one > /data/one; sync');

  const plan = await type(['failover', 'plan', 'RCG1']);
  expect(plan.said).toContain(`docker stop ${container('db')}`);
  const unasked = await type(['failover', 'run', 'RCG1']);
  expect(unasked).toMatchObject({ code: 1, said: expect.stringContaining('nobody said yes to: docker stop') });
  expect(await hand.isRunning('db')).toBe(true);

  const killed = await type(['failover', 'run', 'RCG1', '--yes'], `docker stop ${container('db')}`);
  expect(killed.code).toBeNull();
  const over = await type(['failover', 'run', 'RCG1', '--yes']);
  expect([over.code, over.said]).toEqual([0, expect.stringContaining('going on with the failover')]);
  expect(await hand.servedBy('db')).toEqual([secondary.name]);
  expect(await hand.isRunning('db')).toBe(true);
  expect(await hand.inside('db', 'cat /data/one')).toBe('one');
  await hand.inside('db', 'echo two > /data/two; sync');

  const status = await type(['status']);
  expect(status.said).toContain(`mounted on`);
  expect(status.said).toContain(`containers: ${container('db')}`);
  const home = await type(['failback', 'run', 'RCG1', '--yes']);
  expect([home.code, home.said]).toEqual([0, expect.stringContaining('the primary array serves RCG1')]);
  expect(await hand.servedBy('db')).toEqual([primary.name]);
  expect(await hand.inside('db', 'cat /data/one /data/two')).toBe('one\ntwo');
  expect(await type(['verify', 'RCG1'])).toMatchObject({ code: 0 });

  await stack.control.clearLog();
  const script = 'cat /drill/db/one /drill/db/two; touch /drill/db/no 2>/dev/null && exit 9; exit 0';
  const drill = await type(['drill', 'RCG1', '--image', IMAGE], undefined, ['sh', '-c', script]);
  expect([drill.code, drill.said]).toEqual([0, expect.stringContaining('  | one\n  | two\n  exit code 0')]);
  expect(drill.said).toContain('replication of RCG1 goes on');
  const changes = (await stack.control.log()).filter(({ method }) => method !== 'GET');
  expect(changes.filter((each) => each.path?.includes('remotecopygroups') === true)).toEqual([]);
  expect(changes.filter((each) => each.path?.includes('/vluns') === true).map((each) => each.array)).toEqual(
    expect.not.arrayContaining([primary.name]),
  );
  const failed = await type(['drill', 'RCG1', '--image', IMAGE], undefined, ['sh', '-c', 'exit 3']);
  expect([failed.code, failed.said]).toEqual([1, expect.stringContaining('its command ended with 3')]);
  expect(await hand.docker('volume', 'ls', '-q', '-f', `driver=${stack.driver}`)).toBe('db');

  await hand.rm('db');
  await hand.docker('volume', 'rm', 'db');
  expect(await arrayObjects(stack.control)).toEqual([]);
});
