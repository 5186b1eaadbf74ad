import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LogEntry } from '../../src/simulator/request-log.js';
import { longestChain } from '../bench/chain.js';
import { verbCalls } from '../bench/meter.js';
import { playVerbs, prepareVolumes, removeVolumes, VERBS, type Verb } from '../bench/verbs.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { arrayObjects } from '../simulator-state.js';

/*
 * What each verb asks of the arrays when the daemon is logged in: calls that read, calls that change, and the longest chain
 * of calls of which each waited for the one before. A new round trip is a decision: change the line here, and say why in
 * docs/performance.md.
 */
interface Calls {
  reads: number;
  changes: number;
  chain: number;
}

const EXPECTED: Record<Verb, Calls> = {
  'create-plain': { reads: 1, changes: 1, chain: 2 },
  'create-new-group': { reads: 5, changes: 6, chain: 5 },
  'create-periodic-group': { reads: 5, changes: 7, chain: 6 },
  'create-existing-group': { reads: 5, changes: 5, chain: 5 },
  'mount-first-on-host': { reads: 8, changes: 3, chain: 5 },
  'unmount-last-on-host': { reads: 3, changes: 3, chain: 3 },
  mount: { reads: 9, changes: 2, chain: 4 },
  'mount-again': { reads: 2, changes: 0, chain: 1 },
  get: { reads: 0, changes: 0, chain: 0 },
  list: { reads: 0, changes: 0, chain: 0 },
  path: { reads: 0, changes: 0, chain: 0 },
  'unmount-one-of-two': { reads: 0, changes: 0, chain: 0 },
  unmount: { reads: 3, changes: 2, chain: 3 },
  'remove-member': { reads: 12, changes: 5, chain: 6 },
  'remove-last-member': { reads: 13, changes: 5, chain: 6 },
  'remove-plain': { reads: 4, changes: 1, chain: 3 },
};

/** Long enough that calls which go out together overlap, with what is journaled between them. */
const LATENCY_MS = 150;
/** A busy machine makes chains longer, never shorter: the shortest of so many counts. */
const MOST_ROUNDS = 3;

let node: Node;
const seen = new Map<Verb, { calls: Calls; log: LogEntry[] }>();

beforeAll(async () => {
  node = await startNode({ hasPeriodic: true, seed: { mixedModes: 'accepted' } });
  await prepareVolumes(node.docker, 1);
  // Logs in to both arrays.
  await playVerbs(node.docker, 1, async (_verb, act) => act(0));
  await node.control.latency(LATENCY_MS);
  for (let round = 1; round <= MOST_ROUNDS && !isAsExpected(); round += 1) await playRound();
  await node.control.latency(0);
  await removeVolumes(node.docker, 1);
}, 180_000);

afterAll(async () => {
  const left = await arrayObjects(node.control);
  await node.close();
  expect([...left, ...(await hostLeftovers(node.dir))]).toEqual([]);
});

async function playRound(): Promise<void> {
  await playVerbs(node.docker, 1, async (verb, act) => {
    await node.control.clearLog();
    await act(0);
    const log = verbCalls(await node.control.log());
    const reads = log.filter(({ method }) => method === 'GET').length;
    const calls = { reads, changes: log.length - reads, chain: longestChain(log) };
    const before = seen.get(verb);
    if (before === undefined || calls.chain < before.calls.chain) seen.set(verb, { calls, log });
  });
}

/** As it stands above. */
const lineOf = (verb: Verb, calls: Calls | undefined): string =>
  `  ${verb.includes('-') ? `'${verb}'` : verb}: ${JSON.stringify(calls)
    .replaceAll('"', '')
    .replaceAll(/([:,{])/g, '$1 ')
    .replace('}', ' }')},`;

const isAsExpected = (): boolean =>
  VERBS.every((verb) => JSON.stringify(seen.get(verb)?.calls) === JSON.stringify(EXPECTED[verb]));

describe('The array calls of', () => {
  it.each(VERBS)('%s', (verb) => {
    const { calls, log = [] } = seen.get(verb) ?? {};
    if (JSON.stringify(calls) !== JSON.stringify(EXPECTED[verb])) {
      const first = Math.min(...log.map(({ startMs }) => startMs));
      const lines = log
        .toSorted((a, b) => a.startMs - b.startMs)
        .map(({ startMs, array, method = 'ssh', path, command }) =>
          [`${Math.round(startMs - first)} ms`, array, method, path ?? command].join(' '),
        );
      process.stdout.write(`${[lineOf(verb, calls), ...lines].join('\n    ')}\n`);
    }
    expect(calls).toEqual(EXPECTED[verb]);
  });
});
