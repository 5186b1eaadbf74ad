import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Etcd3 } from 'etcd3';
import { etcdView } from '../../crash/etcd-view.js';
import { expectedEnds } from '../../crash/expected-ends.js';
import { difference, metadataLines, stateLines } from '../../crash/world.js';
import { DaemonProcess, type NamedStrike, type OutwardCall, type Struck } from '../../daemon-process.js';
import { arrayOutline } from '../../simulator-state.js';
import { expect } from '../inside/checks.js';
import { CONF, PLUGIN_SOCKET, STATE_DIR } from '../inside/daemon.js';
import { eventually, LOGS } from '../inside/command.js';
import { deviceMounts, iscsiNodes, iscsiSessions, multipathMaps, scsiDisks } from '../inside/san.js';
import { APP } from '../inside/services.js';
import type { Site } from '../inside/site.js';

/** The two states between which Mount and Unmount lead. */
export type Ground = 'mounted' | 'unmounted';

export interface Way {
  from: Ground;
  to: Ground;
  /** The call after which it has to end there, and before which where it began. */
  decisive: RegExp;
}

const GROUP = 'RCG1';
const VOLUME = 'v';
/** dockerd sends the same id when a container is started again whose Unmount was not answered. */
const ID = 'a'.repeat(64);
/** Seconds that leases live: the machine is slow. */
const LEASE_TTL = 30;
const ROUND_MS = 2_000;
const CONVERGE_MS = 90_000;
const DATA_BYTES = 256 * 1024;
/** What a daemon answers that the machine gave no time to talk to etcd; it is asked again. */
const STARVED = /etcd at .* does not answer|locks are lost|does not hold .* any more|no answer in time/;
const TRIES = 8;

/** A replicated volume with data, and a daemon that can be struck. */
export interface KillStage {
  daemon: DaemonProcess;
  /** Of a crash. */
  restart(): Promise<void>;
  /** By the verb that leads there, if any is needed; data and world are as they should be. @throws when they are not */
  go(to: Ground): Promise<void>;
  /** The verb without a crash, right after a start of the daemon: its outward calls. */
  rehearse(way: Way): Promise<OutwardCall[]>;
  /** The verb that leads there, struck; the daemon runs again afterwards. Undefined when it was over before. */
  strike(to: Ground, at: Pick<NamedStrike, 'call' | 'when'>): Promise<Struck | undefined>;
  /** Waits until the world is as it may be after such a strike. @throws when that takes too long */
  settle(way: Way, struck: Struck): Promise<void>;
  /** After a finding: to that ground, whatever it takes. @throws when it cannot be had */
  recover(to: Ground): Promise<void>;
  /** Removes the volume; the daemon of the site runs again. */
  close(): Promise<void>;
}

/** With the volume made, mounted once, written to and unmounted. */
export async function openKillStage(site: Site): Promise<KillStage> {
  const etcd = new Etcd3({ hosts: 'http://127.0.0.1:2379' });
  const stage = new Stage(site, etcd);
  await site.daemon.kill();
  await stage.restart();
  await site.step('docker volume create: replicated', async () => stage.make());
  await site.step('Mount for the first time, written', async () => stage.go('mounted'));
  await site.step('Unmount', async () => stage.go('unmounted'));
  return stage;
}

class Stage implements KillStage {
  readonly daemon: DaemonProcess;
  readonly #site: Site;
  readonly #etcd: Etcd3;
  readonly #outlines = new Map<Ground, string[]>();
  /** What the volume holds. */
  #data: Buffer | undefined;
  /** Undefined after a crash. */
  #ground: Ground | undefined;

  constructor(site: Site, etcd: Etcd3) {
    this.#site = site;
    this.#etcd = etcd;
    this.daemon = new DaemonProcess({
      dir: LOGS,
      configFile: CONF,
      nodeName: 'node1',
      hurry: { leaseTtl: LEASE_TTL, roundMs: ROUND_MS },
      program: { args: [`${APP}/struck-daemon.mjs`], socketPath: PLUGIN_SOCKET, stateDir: STATE_DIR },
    });
  }

  async make(): Promise<void> {
    const options = { replicationGroup: GROUP, size: '1' };
    await unlessStarved(async () => succeed(this.daemon.docker.create(VOLUME, options)));
  }

  async restart(): Promise<void> {
    await this.daemon.kill();
    await etcdView(this.#etcd).endLeases(this.daemon);
    await this.daemon.start();
  }

  async go(to: Ground): Promise<void> {
    if (this.#ground === to) return;
    this.#ground = undefined;
    await unlessStarved(async () => this.#ask(to));
    await this.#arrive(to);
  }

  async rehearse({ from, to }: Way): Promise<OutwardCall[]> {
    return unlessStarved(async () => {
      if (this.#ground !== from) await this.go('mounted');
      await this.go(from);
      await this.restart();
      await eventually(async () => this.daemon.docker.status(VOLUME));
      await this.daemon.watch();
      this.#ground = undefined;
      await this.#ask(to);
      await this.daemon.over();
      const calls = await this.daemon.calls();
      await this.#arrive(to);
      return calls;
    });
  }

  async strike(to: Ground, at: Pick<NamedStrike, 'call' | 'when'>): Promise<Struck | undefined> {
    return unlessStarved(async () => {
      await this.daemon.watch({ ...at, signal: 'SIGKILL' });
      this.#ground = undefined;
      const asked = this.#ask(to);
      await asked.catch(() => undefined);
      await this.daemon.over();
      const struck = await this.daemon.struck();
      if (struck !== undefined) {
        await this.restart();
        return struck;
      }
      await this.daemon.calls();
      await asked;
      await this.#arrive(to);
      return undefined;
    });
  }

  async settle({ from, to, decisive }: Way, struck: Struck): Promise<void> {
    const ends = expectedEnds({ decisive }, struck);
    await this.#expectSoon(ends.map((end) => (end === 'done' ? to : from)));
  }

  async recover(to: Ground): Promise<void> {
    await this.restart();
    await eventually(async () => this.go('mounted'), CONVERGE_MS);
    await eventually(async () => this.go(to), CONVERGE_MS);
  }

  async close(): Promise<void> {
    await this.go('unmounted');
    await unlessStarved(async () => succeed(this.daemon.docker.remove(VOLUME)));
    await this.daemon.kill();
    await etcdView(this.#etcd).endLeases(this.daemon);
    this.#etcd.close();
    await this.#site.daemon.start();
  }

  async #ask(to: Ground): Promise<void> {
    if (to === 'mounted') await this.#use(await this.daemon.docker.mount(VOLUME, ID));
    else await succeed(this.daemon.docker.unmount(VOLUME, ID));
  }

  async #arrive(at: Ground): Promise<void> {
    this.#ground = at;
    if (this.#outlines.has(at)) await this.#expectSoon([at]);
    else this.#outlines.set(at, await this.#outline());
  }

  /** What was written last is there; the next is left to the page cache, which an Unmount has to write out. */
  async #use(mountpoint: string): Promise<void> {
    const file = path.join(mountpoint, 'data');
    if (this.#data !== undefined) expect(readFileSync(file).equals(this.#data), `${file} is not what was written last`);
    this.#data = randomBytes(DATA_BYTES);
    writeFileSync(file, this.#data);
  }

  async #expectSoon(grounds: Ground[]): Promise<void> {
    await eventually(async () => {
      const outline = await this.#outline();
      const [best = []] = grounds
        .map((ground) => difference(outline, this.#outlines.get(ground) ?? []))
        .toSorted((a, b) => a.length - b.length);
      expect(
        best.length === 0,
        [`not ${grounds.join(' or ')} after ${CONVERGE_MS / 1000} s:`, ...best].join('\n      '),
      );
    }, CONVERGE_MS);
  }

  /** Everything that there is, in words that are the same each time. */
  async #outline(): Promise<string[]> {
    const [sessions, objects, records, files] = await Promise.all([
      iscsiSessions(),
      arrayOutline(this.#site.control),
      etcdView(this.#etcd).read(),
      stateLines(this.daemon),
    ]);
    return [
      ...scsiDisks().map(({ wwid }) => `disk ${wwid}`),
      ...multipathMaps().map(({ wwid, paths }) => `map ${wwid} on ${paths.length} paths`),
      ...sessions.map((each) => `session ${each.replace(/\[\d+\] /, '')}`),
      ...iscsiNodes().map((each) => `node record ${each}`),
      ...deviceMounts().map((each) => `mount ${each}`),
      ...objects,
      ...metadataLines(records),
      ...files,
    ];
  }
}

async function unlessStarved<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tries === TRIES || !STARVED.test(String(error))) throw error;
      console.log(`    asked again: ${String(error).slice(0, 100)}`);
    }
  }
}

/** @throws the plugin's Err */
async function succeed(answer: Promise<string>): Promise<void> {
  const err = await answer;
  if (err !== '') throw new Error(err);
}
