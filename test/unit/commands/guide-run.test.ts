import { beforeEach, describe, expect, it } from '@jest/globals';
import { GuideRun, type RunParts } from '../../../src/commands/guide-run.js';
import { soleRun } from '../../../src/commands/run-lock.js';
import type { RunState } from '../../../src/commands/run-journal.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { GroupReport } from '../../../src/domain/group-report.js';
import { reportOf, type Scene } from '../domain/group-views.js';

const leftAlone = { says: 'S', state: 'stopped', links: false, sync: 'syncing' } as const;
const primaryDead: Scene = { primary: { says: 'silent' }, secondary: leftAlone };
/** It is back, stopped, with everything that it took alone. */
const primaryBack: Scene = {
  primary: { says: 'P', state: 'stopped', sync: 'not-synced' },
  secondary: { says: 'S', state: 'stopped', sync: 'not-synced' },
};
const failedOver: Scene = { primary: primaryBack.primary, secondary: { says: 'Pr', state: 'stopped' } };

let now: GroupReport;
let state: RunState | undefined;
let sent: string[];
let said: string[];
let asked: (question: string) => void;
let start: (id: string) => void;

beforeEach(() => {
  sent = [];
  said = [];
  state = undefined;
  asked = () => undefined;
  start = () => undefined;
});

const runWith = async (parts: Partial<RunParts> = {}): Promise<void> =>
  new GuideRun({
    goal: 'failover',
    group: { name: 'RCG1', backend: 'DEFAULT' },
    reports: { group: async () => Promise.resolve(now) },
    deeds: {
      async send(action, side) {
        sent.push(`${side} ${action}`);
        now = reportOf(failedOver);
        return Promise.resolve();
      },
    },
    engine: {
      using: async () => Promise.resolve([]),
      stop: async () => Promise.resolve(),
      start: async (id) => Promise.resolve(start(id)),
    },
    journal: {
      load: async () => Promise.resolve(state),
      save: async (each) => Promise.resolve(void (state = structuredClone(each))),
      remove: async () => Promise.resolve(void (state = undefined)),
      release: async () => Promise.resolve(),
    },
    lock: soleRun,
    store: undefined,
    allNodes: false,
    audit: { write: async () => Promise.resolve() },
    terminal: {
      say: (line) => void said.push(line),
      ask: async (question) => {
        asked(question);
        return Promise.resolve(true);
      },
    },
    ...parts,
  }).run();

describe('a loss that was accepted', () => {
  it('of a dead array does not cover the array that comes back before the answer', async () => {
    now = reportOf(primaryDead);
    asked = () => (now = reportOf(primaryBack));
    await expect(runWith({ acceptLoss: 'the site burns' })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('went on alone'),
    });
    expect(sent).toEqual([]);
    asked = () => undefined;
    await runWith({ acceptLoss: 'the site burned, ticket 4711' });
    expect(sent).toEqual(['secondary failover']);
  });

  it('before anything was unsafe covers nothing that becomes so', async () => {
    now = reportOf({ primary: { says: 'P' }, secondary: { says: 'S' }, mode: 'asynchronous' });
    asked = () => (now = reportOf(primaryDead));
    await expect(runWith({ acceptLoss: 'a habit' })).rejects.toMatchObject({ code: 'refused' });
    expect(sent).toEqual([]);
  });
});

it('a container that was run with --rm cannot be started again, and does not keep the run from its end', async () => {
  now = reportOf(failedOver);
  state = {
    goal: 'failover',
    startedAt: '2026-11-28T12:00:00Z',
    stopped: [{ id: 'c1', name: 'web', volumes: ['db'] }],
  };
  start = () => {
    throw new DriverError('not-found', 'Docker has no container c1 any more');
  };
  await runWith();
  expect(state).toBeUndefined();
  expect(said.join('\n')).toContain('web is gone');
});
