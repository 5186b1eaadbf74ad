import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import { BackendManager } from '../../../src/backend/manager.js';
import { StatusPoll, type PolledGroup } from '../../../src/backend/status-poll.js';
import type { ArrayClient, Contact } from '../../../src/contracts/array.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { Group } from '../../../src/domain/replication.js';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const INTERVAL_MS = 15_000;

/** One array for all backends that name it, which notes when it was asked, in seconds. */
class FakeArray {
  readonly name: string;
  readonly askedAt: number[] = [];
  isDead = false;
  readonly #access = {};
  #contact: Contact | undefined;

  constructor(name: string) {
    this.name = name;
  }

  client(label: string): ArrayClient {
    const listGroups = async () => {
      this.askedAt.push(performance.now() / 1000);
      this.answer();
      if (this.isDead) throw new DriverError('unavailable', `${label} is out of reach`);
      return Promise.resolve([]);
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return {
      label,
      lastContact: () => this.#contact,
      access: () => this.#access,
      remoteCopy: { listGroups },
    } as unknown as ArrayClient;
  }

  /** What any call to it leaves. */
  answer(): void {
    this.#contact = { at: performance.now(), ...(this.isDead ? { failure: 'out of reach' } : {}) };
  }
}

function backendOn(name: string, primary: FakeArray, secondary: FakeArray): Backend {
  const replication = {
    target: 'far',
    mode: 'synchronous',
    differentSecondaryWwn: true,
    strict: false,
    removeEmptyGroup: 'always',
    cpgMap: new Map(),
    snapCpgMap: new Map(),
  } as const;
  const arrays = { primary: primary.client(`${name}/primary`), secondary: secondary.client(`${name}/secondary`) };
  return new Backend({ name, cpg: {}, snapCpg: {}, replication }, arrays);
}

const groupOf = (backend: string, name = 'web'): Group => ({
  backend,
  name,
  remoteName: `${name}.r1`,
  createdByUs: true,
  epoch: 1,
});

let poll: StatusPoll;
const [near, far, third] = [() => arrays.near, () => arrays.far, () => arrays.third];
let arrays: Record<'near' | 'far' | 'third', FakeArray>;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'], now: 0 });
  arrays = { near: new FakeArray('near'), far: new FakeArray('far'), third: new FakeArray('third') };
});
afterEach(async () => {
  await poll.stop();
  jest.useRealTimers();
});

function startPoll(backends: Backend[], groups: Group[]): void {
  poll = new StatusPoll(new BackendManager(backends), async () => Promise.resolve(groups), silent);
  poll.start();
}

/** Past the round that is due then. */
const goOn = async (seconds: number): Promise<void> => jest.advanceTimersByTimeAsync(seconds * 1000);

const polled = (backend = 'one'): PolledGroup => {
  const found = poll.find(groupOf(backend));
  if (found === undefined) throw new Error('nothing was heard');
  return found;
};

const onePair = (): void => startPoll([backendOn('one', near(), far())], [groupOf('one')]);

describe('the status poll', () => {
  it('asks each array once in an interval, however many groups and backends it has', async () => {
    const backends = [
      backendOn('one', near(), far()),
      backendOn('two', near(), far()),
      backendOn('back', far(), third()),
    ];
    const groups = backends.flatMap(({ name }) => Array.from({ length: 10 }, (_, at) => groupOf(name, `g${at}`)));
    startPoll(backends, groups);
    await goOn(60);
    const rounds = [0, 15, 30, 45, 60];
    for (const array of Object.values(arrays)) expect([array.name, array.askedAt]).toEqual([array.name, rounds]);
  });

  it('asks no array of a backend that has no group on record', async () => {
    startPoll([backendOn('one', near(), far()), backendOn('idle', third(), far())], [groupOf('one')]);
    await goOn(60);
    expect([near().askedAt.length, third().askedAt]).toEqual([5, []]);
  });

  it('leaves a silent array alone for as long as it has been silent, two minutes at most, and the other one is asked as ever', async () => {
    far().isDead = true;
    onePair();
    await goOn(600);
    expect(far().askedAt).toEqual([0, 15, 30, 60, 120, 240, 360, 480, 600]);
    expect(near().askedAt).toHaveLength(600_000 / INTERVAL_MS + 1);
  });

  it('asks an array in every interval again from its first answer on', async () => {
    far().isDead = true;
    onePair();
    await goOn(130);
    far().isDead = false;
    await goOn(140);
    expect(far().askedAt).toEqual([0, 15, 30, 60, 120, 240, 255, 270]);
  });

  it('asks a silent array with the next round when it has answered somebody else', async () => {
    far().isDead = true;
    onePair();
    await goOn(130);
    far().isDead = false;
    far().answer();
    await goOn(20);
    expect(far().askedAt).toEqual([0, 15, 30, 60, 120, 135, 150]);
  });

  it('does not take a silence of before such an answer for one that goes on', async () => {
    far().isDead = true;
    onePair();
    await goOn(130);
    far().isDead = false;
    far().answer();
    far().isDead = true;
    await goOn(40);
    expect(far().askedAt).toEqual([0, 15, 30, 60, 120, 135, 150, 165]);
  });

  it('a failure that somebody else had meanwhile is no answer', async () => {
    far().isDead = true;
    onePair();
    await goOn(130);
    far().answer();
    await goOn(60);
    expect(far().askedAt).toEqual([0, 15, 30, 60, 120]);
  });

  it('asks a silent array soon when it is told to, once for all who say so', async () => {
    far().isDead = true;
    onePair();
    await goOn(130);
    poll.refresh();
    poll.refresh();
    await goOn(1);
    expect(far().askedAt).toEqual([0, 15, 30, 60, 120, 131]);
    // Not any more by that.
    await goOn(100);
    expect(far().askedAt).toHaveLength(6);
    await goOn(30);
    expect(far().askedAt).toHaveLength(7);
  });

  it('shows the last failure of an array that is left alone, and the age of each half', async () => {
    far().isDead = true;
    onePair();
    await goOn(232);
    const { observation, ageSeconds } = polled();
    expect(observation.failures.secondary).toEqual({ silent: true, text: 'one/secondary is out of reach' });
    expect(observation.failures.primary).toEqual({ silent: false, text: 'has no group web' });
    expect(ageSeconds).toEqual({ primary: 7, secondary: 112 });
  });

  it('names an array that several backends share as each of them does', async () => {
    far().isDead = true;
    startPoll([backendOn('one', near(), far()), backendOn('back', far(), third())], [groupOf('one'), groupOf('back')]);
    await goOn(0);
    expect(polled('one').observation.failures.secondary?.text).toBe('one/secondary is out of reach');
    expect(polled('back').observation.failures.primary?.text).toBe('back/primary is out of reach');
  });
});
