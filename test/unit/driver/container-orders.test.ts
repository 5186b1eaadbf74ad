import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Container, Engine } from '../../../src/contracts/engine.js';
import type { MetadataStore, Records, Write } from '../../../src/contracts/store.js';
import { DriverError } from '../../../src/domain/errors.js';
import type { ContainerOrder, GroupRun, Halt } from '../../../src/domain/group-run.js';
import { ContainerOrders } from '../../../src/driver/container-orders.js';
import { openEmbeddedStore } from '../../../src/store/embedded-store.js';

const HERE = { id: 'node-2', name: 'node2' };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

let dir: string;
let store: MetadataStore;
let deeds: string[];
let running: Container[];
/** Called before a container is stopped or started. */
let meanwhile: (deed: string) => Promise<void>;

const engine: Engine = {
  using: async (volumes) =>
    Promise.resolve(running.filter((each) => each.volumes.some((name) => volumes.includes(name)))),
  stop: async (id) => act(`stop ${id}`),
  start: async (id) => act(`start ${id}`),
};

async function act(deed: string): Promise<void> {
  deeds.push(deed);
  await meanwhile(deed);
}

async function write(...writes: Write[]): Promise<void> {
  const fence = await store.lock(['test'], AbortSignal.timeout(1000));
  await store.commit(fence, writes);
  await fence.release();
}

async function order(given: Partial<ContainerOrder> | undefined, run: Partial<GroupRun> = {}): Promise<void> {
  const whole = { id: 'o1', verb: 'stop' as const, nodes: [HERE.id], volumes: ['v1', 'v2'], ...given };
  const value: GroupRun = {
    backend: 'DEFAULT',
    group: 'RCG1',
    id: 'r1',
    goal: 'failover',
    by: 'root',
    node: 'node-1',
    nodeName: 'node1',
    startedAt: '2026-11-28T18:00:00Z',
    ...run,
    ...(given === undefined ? {} : { order: whole }),
  };
  await write({ put: 'run', key: `DEFAULT/${value.group}`, value, ttlSeconds: 30 });
}

const endRun = async (): Promise<void> => write({ remove: 'run', key: 'DEFAULT/RCG1' });

/** A look that has nothing more to do asks nothing. */
const IDLE_MS = 100;
let lastUse = 0;
function busy(answer: Promise<unknown>): void {
  lastUse = Infinity;
  const end = (): void => void (lastUse = performance.now());
  answer.then(end, end);
}

/** One look at the orders that stand, and everything that it leads to. */
async function look(given: Engine | 'none' = engine): Promise<Halt | undefined> {
  // Only etcd has other nodes; the rest of the contract is the same.
  const shared = new Proxy(store, {
    get: (target, name) => {
      if (name === 'kind') return 'etcd';
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const answer: unknown = Reflect.apply(member, target, args);
        if (answer instanceof Promise) busy(answer);
        return answer;
      };
    },
  });
  const orders = new ContainerOrders({
    store: shared,
    node: HERE,
    engine: given === 'none' ? undefined : given,
    logger: silent,
  });
  orders.start();
  while (performance.now() - lastUse < IDLE_MS) await pause(10);
  await orders.stop();
  return store.find('halt', `DEFAULT/RCG1/${HERE.id}`, AbortSignal.timeout(1000));
}

async function addVolume(name: string, { group = 'RCG1', node = HERE.id, backend = 'DEFAULT' } = {}): Promise<void> {
  const volume: Records['volume'] = {
    name,
    id: `id-${name}`,
    spec: {
      sizeGiB: 1,
      provisioning: 'thin',
      compression: false,
      fsType: 'ext4',
      backend,
      mountConflictDelay: 30,
      replicationGroup: group,
    },
    arrayName: `dcv-${name}`,
    cpg: {},
    snapCpg: {},
    wwn: {},
    state: 'ready',
    everMounted: true,
    filesystem: { state: 'formatted', type: 'ext4', uuid: 'u' },
    createdAt: '2026-11-28T17:00:00Z',
  };
  const attachment: Records['attachment'] = {
    volume: name,
    node,
    nodeName: node,
    generation: 1,
    side: 'primary',
    host: node,
    state: 'attached',
    mountpoint: `/mnt/${name}`,
  };
  await write({ put: 'volume', key: name, value: volume }, { put: 'attachment', key: name, value: attachment });
}

const container = (name: string, ...volumes: string[]): Container => ({ id: name, name, volumes });

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hpe-orders-'));
  store = await openEmbeddedStore(dir, HERE);
  deeds = [];
  running = [container('app', 'v1'), container('db', 'v2')];
  meanwhile = async () => Promise.resolve();
  await addVolume('v1');
  await addVolume('v2');
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true });
});

describe('an order to stop', () => {
  it('is carried out once, on record, and what was stopped is started by an order to start, in reverse', async () => {
    await order({});
    expect(await look()).toMatchObject({
      containers: [{ id: 'app' }, { id: 'db' }],
      answer: { order: 'o1', problems: [] },
    });
    await look();
    expect(deeds).toEqual(['stop app', 'stop db']);
    await order({ id: 'o2', verb: 'start', volumes: [] });
    expect(await look()).toMatchObject({ containers: [], answer: { order: 'o2', problems: [] } });
    expect(deeds).toEqual(['stop app', 'stop db', 'start db', 'start app']);
  });

  it('is on record before the container is stopped, so that a crash in between forgets none', async () => {
    await order({});
    let before: Halt | undefined;
    meanwhile = async () => {
      before ??= await store.find('halt', `DEFAULT/RCG1/${HERE.id}`, AbortSignal.timeout(1000));
    };
    await look();
    expect(before?.containers).toMatchObject([{ id: 'app' }]);
  });

  it.each([
    ['has ended', endRun],
    ['was taken back', async () => order(undefined)],
    ['was replaced', async () => order({ id: 'o9', nodes: ['node-3'] })],
    ['is of a run that another one followed', async () => order({}, { id: 'r2' })],
  ])('that %s while the first container stops, stops no other', async (_what, end) => {
    await order({});
    meanwhile = async () => {
      meanwhile = async () => Promise.resolve();
      // Not seen as a new order: this look goes on with what it has read.
      await end();
      running = [];
    };
    const halt = await look();
    expect(deeds).toEqual(['stop app']);
    expect(halt?.containers).toMatchObject([{ id: 'app' }]);
  });

  it('that has ended before it is seen does nothing, and leaves no record', async () => {
    await order({});
    await endRun();
    expect(await look()).toBeUndefined();
    expect(deeds).toEqual([]);
  });

  it('that cannot be read while the daemon ends does not fail its end', async () => {
    const until = async (signal: AbortSignal): Promise<never> => {
      await once(signal, 'abort');
      throw new DriverError('unavailable', 'etcd does not answer');
    };
    const away = new Proxy(store, {
      get: (_target, name) => {
        if (name === 'kind') return 'etcd';
        if (name === 'list') return async (_kind: string, signal: AbortSignal) => until(signal);
        if (name === 'watch') return () => () => undefined;
        throw new Error(`${String(name)} is not asked for`);
      },
    });
    const orders = new ContainerOrders({ store: away, node: HERE, engine, logger: silent });
    orders.start();
    await expect(orders.stop()).resolves.toBeUndefined();
  });

  it('for other nodes does nothing', async () => {
    await order({ nodes: ['node-1', 'node-3'] });
    expect(await look()).toBeUndefined();
    expect(deeds).toEqual([]);
  });

  it('stops nothing but what uses volumes of its group that are attached here', async () => {
    await addVolume('v3', { group: 'RCG2' });
    await addVolume('v4', { node: 'node-3' });
    running = [container('other', 'v3'), container('far', 'v4'), container('unnamed', 'v2'), container('app', 'v1')];
    await order({ volumes: ['v1', 'v3', 'v4', 'v5'] });
    expect(await look()).toMatchObject({ containers: [{ id: 'app' }] });
    expect(deeds).toEqual(['stop app']);
  });

  it('stops what uses a volume of another backend that shares the group', async () => {
    await addVolume('v3', { backend: 'SECOND' });
    running = [container('other', 'v3')];
    await order({ volumes: ['v1', 'v3'] });
    expect(await look()).toMatchObject({ containers: [{ id: 'other' }] });
  });

  it('is answered with the reason, where hpe.conf forbids it', async () => {
    await order({});
    expect(await look('none')).toMatchObject({
      containers: [],
      answer: {
        order: 'o1',
        problems: [
          expect.stringMatching(
            /docker_socket = none.*type on that node: docker ps --filter volume=v1.*docker start it when/,
          ),
        ],
      },
    });
    expect(deeds).toEqual([]);
  });

  it('is answered with the reason, where Docker gives no answer or refuses', async () => {
    await order({});
    const dead = async () => Promise.reject(new DriverError('unavailable', 'Docker gave no answer'));
    expect((await look({ ...engine, using: dead }))?.answer?.problems).toEqual([
      expect.stringMatching(
        /^Docker gave no answer \(a managed plugin .*\); type on that node: docker ps --filter volume=v1/,
      ),
    ]);
    await order({ id: 'o2' });
    meanwhile = async (deed) =>
      deed === 'stop app' ? Promise.reject(new DriverError('refused', 'busy')) : Promise.resolve();
    expect((await look())?.answer).toEqual({ order: 'o2', problems: ['docker stop app: busy'] });
    expect(deeds).toEqual(['stop app', 'stop db']);
  });
});

describe('an order to start', () => {
  it('starts nothing that no run has stopped', async () => {
    await order({ verb: 'start' });
    expect(await look()).toMatchObject({ containers: [], answer: { order: 'o1', problems: [] } });
    expect(deeds).toEqual([]);
  });

  it('goes on owing what Docker did not start, and owes none that is gone', async () => {
    await order({});
    await look();
    await order({ id: 'o2', verb: 'start' });
    meanwhile = async (deed) =>
      Promise.reject(
        deed === 'start db' ? new DriverError('not-found', 'no such container') : new DriverError('refused', 'no'),
      );
    expect(await look()).toMatchObject({
      containers: [{ id: 'app' }],
      answer: { problems: ['docker start db: no such container', 'docker start app: no'] },
    });
  });
});
