import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { chooseCommonPort } from '../../src/simulator/free-port.js';
import type { LogEntry } from '../../src/simulator/request-log.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';

/*
 * What a daemon asks of the arrays while nobody asks anything of it. Its intervals are those of this test, which lets them
 * come; everything else runs by the real clock.
 */
const GROUPS = 10;
/** The shortest one of the daemon; a recovery round comes with every fourth. */
const INTERVAL_MS = 15_000;
const ROUNDS = 8;
/** For a round to show what it has to ask; a shorter one would only miss a call. */
const SETTLED_MS = 300;
/** Longer than the status poll gathers the verbs that it looks after. */
const QUIET_MS = 1_500;

const POLL = 'GET /api/v1/remotecopygroups';
const callOf = ({ method = 'ssh', path, command }: LogEntry): string => `${method} ${path ?? command ?? ''}`;

let node: Node;
let status: string;
let array: { primary: string; secondary: string };

beforeAll(async () => {
  jest.useFakeTimers({
    doNotFake: [
      'Date',
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setTimeout',
      'clearTimeout',
    ],
  });
  const port = await chooseCommonPort(['127.0.0.1', '127.0.0.2']);
  status = `http://127.0.0.1:${port}`;
  node = await startNode({ more: [`status_listen = 127.0.0.1:${port}`] });
  const [primary, secondary] = node.pair.arrays;
  array = { primary: primary.name, secondary: secondary.name };
  for (let at = 0; at < GROUPS; at += 1) {
    expect(await node.docker.create(`v${at}`, { size: '1', replicationGroup: `g${at}` })).toBe('');
  }
  await node.docker.mount('v0', 'm');
  await quiet();
});

afterEach(async () => {
  await node.control.clearLog();
});

afterAll(async () => {
  await node.docker.unmount('v0', 'm');
  for (let at = 0; at < GROUPS; at += 1) expect(await node.docker.remove(`v${at}`)).toBe('');
  const left = await arrayObjects(node.control);
  await node.close();
  jest.useRealTimers();
  expect([...left, ...(await hostLeftovers(node.dir))]).toEqual([]);
});

/** What the verbs of before have begun is over. */
async function quiet(): Promise<void> {
  for (let calls = -1; calls !== 0; calls = (await node.control.log()).length) {
    await node.control.clearLog();
    await pause(QUIET_MS);
  }
}

/** Its calls to each array over so many intervals, each after what the one before has asked was answered. */
async function over(rounds: number, isOver: (seen: Record<string, string[]>, round: number) => boolean) {
  const seen = async (): Promise<Record<string, string[]>> => {
    const log = await node.control.log();
    return Object.fromEntries(
      Object.values(array).map((name) => [name, log.filter((each) => each.array === name).map(callOf)]),
    );
  };
  for (let round = 1; round <= rounds; round += 1) {
    jest.advanceTimersByTime(INTERVAL_MS);
    while (!isOver(await seen(), round)) await pause(10);
    await pause(SETTLED_MS);
  }
  return seen();
}

describe('In the background', () => {
  it('each array is asked once in an interval, for all of ten groups, and nothing else is asked of it', async () => {
    const calls = await over(ROUNDS, (seen, round) => Object.values(seen).every((each) => each.length >= round));
    const polls = Array.from({ length: ROUNDS }, () => POLL);
    expect(calls).toEqual({ [array.primary]: polls, [array.secondary]: polls });
  });

  it('whoever reads the metrics has each array asked once for all groups, and once for its links', async () => {
    expect(await (await fetch(`${status}/metrics`)).text()).toContain('group="g9"');
    const calls = (await node.control.log())
      .filter((each) => each.path?.includes('/remotecopy'))
      .map((each) => `${each.array} ${callOf(each)}`);
    const both = Object.values(array).flatMap((each) => [`${each} ${POLL}`, `${each} GET /api/v1/remotecopylinks`]);
    expect(calls.toSorted()).toEqual(both.toSorted());
  });

  it('an array that is off costs the other one nothing, and what it was last is told with its age', async () => {
    await node.control.power(array.secondary, false);
    const calls = await over(ROUNDS, (seen, round) => (seen[array.primary]?.length ?? 0) >= round);
    expect(calls[array.primary]).toEqual(Array.from({ length: ROUNDS }, () => POLL));
    const { replication } = await node.docker.status('v1');
    expect(replication).toMatchObject({
      primary: { role: 'Primary' },
      secondary: { problem: expect.stringContaining('cannot be reached') },
      ageSeconds: expect.any(Number),
    });
    await node.control.power(array.secondary, true);
  });
});
