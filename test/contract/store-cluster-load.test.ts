import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openEtcdStore } from '../../src/store/etcd-store.js';
import { startEtcdCluster, type EtcdCluster, type EtcdMember } from '../etcd.js';
import { startChild, type Child } from './child.js';
import { countOf, eventsOf, overlaps, readLog, wrongCommits, type LoadEvent } from './load-log.js';

const NODES = ['n1', 'n2', 'n3', 'n4'];
const SECONDS = 60;

describe('four nodes under load on three etcd members that are killed and paused', () => {
  let etcd: EtcdCluster;
  let dir: string;
  const children: Child[] = [];

  beforeAll(async () => {
    etcd = await startEtcdCluster();
    dir = await mkdtemp(path.join(os.tmpdir(), 'load-'));
  });
  afterEach(async () => Promise.all(children.map(async (child) => child.kill())));
  afterAll(async () => {
    await etcd.stop();
    await rm(dir, { recursive: true });
  });

  const follower = async (): Promise<EtcdMember[]> => {
    const leader = await etcd.leader();
    return etcd.members.filter((member) => member !== leader).slice(0, 1);
  };
  const leader = async (): Promise<EtcdMember[]> => [await etcd.leader()];
  const most = async (): Promise<EtcdMember[]> => etcd.members.slice(0, 2);
  const all = async (): Promise<EtcdMember[]> => etcd.members;

  /** Harms those members for as many seconds, and waits until the cluster is well again. */
  const harm = async (choose: () => Promise<EtcdMember[]>, how: 'kill' | 'pause', seconds: number): Promise<void> => {
    const victims = await choose();
    await Promise.all(victims.map(async (victim) => victim[how]()));
    await pause(seconds * 1_000);
    await Promise.all(victims.map(async (victim) => (how === 'kill' ? victim.start() : victim.resume())));
    await pause(1_500);
  };

  /** Wakes a node that stands still with a lock in hand, when its lease is long gone. */
  const wakeOnce = async (child: Child): Promise<string> => {
    expect(await child.line()).toBe('stands still');
    await pause(12_000);
    child.signal('SIGCONT');
    return child.line();
  };

  it('no update is lost, no lock has two owners, and who was fenced wrote nothing', async () => {
    const store = openEtcdStore({
      hosts: etcd.hosts.split(','),
      node: { id: 'judge', name: 'judge' },
      stateDir: path.join(dir, 'judge'),
      logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    children.push(...NODES.map((node) => startChild('load-node.ts', [etcd.hosts, dir, node, String(SECONDS)])));
    const finished = Promise.all(children.map(wakeOnce));
    await pause(4_000);
    await harm(leader, 'kill', 3);
    await harm(leader, 'pause', 5);
    await harm(follower, 'pause', 3);
    await harm(follower, 'kill', 2);
    await harm(most, 'pause', 8);
    await harm(leader, 'kill', 0);
    await harm(all, 'kill', 1);
    await harm(most, 'kill', 8);
    expect(await finished).toEqual(NODES.map(() => 'done'));

    const events: LoadEvent[] = (
      await Promise.all(NODES.map(async (node) => readLog(path.join(dir, `${node}.log`))))
    ).flat();
    const [grants, commits] = [eventsOf(events, 'grant'), eventsOf(events, 'commit')];
    const applied = (await store.list('pin', AbortSignal.timeout(20_000))).map(({ peer, fingerprint }) => ({
      commit: peer,
      value: Number(fingerprint),
    }));
    await store.close();
    const outcomes = countOf(commits.map(({ outcome }) => outcome));
    const fenced = commits.filter(({ outcome }) => outcome === 'fenced').map(({ commit }) => commit.split(':')[1]);
    const refusals = countOf(eventsOf(events, 'refusal').map(({ code }) => code));
    process.stderr.write(`${JSON.stringify({ grants: grants.length, commits: outcomes, refusals })}\n`);

    expect(overlaps(grants)).toEqual([]);
    expect(wrongCommits(commits, applied)).toEqual([]);
    expect(new Set(grants.map(({ node }) => node))).toEqual(new Set(NODES));
    // Each stood still once with a lock in hand, and tried to write with it afterwards.
    expect(new Set(fenced)).toEqual(new Set(NODES));
    expect(outcomes['done']).toBeGreaterThan(100);
  }, 240_000);
});
