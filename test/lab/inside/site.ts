import { readFileSync } from 'node:fs';
import { dockerClient, type DockerClient } from '../../docker-client.js';
import {
  arrayOf,
  controlOf,
  hpeConf,
  operator,
  type PairControl,
  type ReadyPair,
  type SimulatedArray,
} from '../../pair-client.js';
import { arraysExporting } from '../../simulator-state.js';
import { expectHealthyKernel, expectSame, inventory } from './checks.js';
import { eventually } from './command.js';
import type { Scenario } from '../scenarios/scenario.js';
import { daemonWith, PLUGIN_SOCKET, type Daemon } from './daemon.js';
import { docker } from './docker.js';
import { expectForeignStorageWorks } from './foreign.js';
import { managedDaemonWith } from './managed-plugin.js';
import { PREPARED, type Prepared } from './prepared.js';

/** The recovery round, which finishes what an Unmount left, comes every minute. */
const LEFTOVERS_MS = 100_000;

/** What a scenario works with. */
export interface Site {
  pair: ReadyPair;
  control: PairControl;
  primary: SimulatedArray;
  secondary: SimulatedArray;
  /** Started. */
  daemon: Daemon;
  /** One step, told with its time. */
  step<T>(text: string, work: () => Promise<T>): Promise<T>;
  /** Something that the line of the result is to say. */
  note(text: string): void;
  operator(array: SimulatedArray, command: string): Promise<string>;
  /** What dockerd would send to the daemon, without dockerd. */
  plugin: DockerClient;
  /** Names of the arrays that export a Docker volume. */
  servedBy(volume: string): Promise<string[]>;
  /** Everything is as it was before the scenario, also what belongs to others. @throws with the differences after a while */
  expectNothingLeft(): Promise<void>;
}

/** Starts a daemon as the scenario wants it at the prepared arrays. */
export async function startSite({ conf: options, managed }: Pick<Scenario, 'conf' | 'managed'>): Promise<Site> {
  const { pair, inventory: before } = JSON.parse(readFileSync(PREPARED, 'utf8')) as Prepared;
  const more = ['host_etcd_ip_address = 127.0.0.1', ...(options.more ?? [])];
  const conf = hpeConf(pair, { ...options, more });
  const daemon = managed === true ? managedDaemonWith(conf, pair) : daemonWith(conf);
  const control = controlOf(pair);
  const site: Site = {
    pair,
    control,
    primary: arrayOf(pair, 'primary'),
    secondary: arrayOf(pair, 'secondary'),
    daemon,
    step,
    note: (text) => console.log(`note: ${text}`),
    operator,
    plugin: dockerClient(PLUGIN_SOCKET),
    async servedBy(volume) {
      const { Status } = await docker.inspectVolume(volume);
      return arraysExporting(control, String(Status['arrayVolume']));
    },
    async expectNothingLeft() {
      await eventually(async () => expectSame(before, await inventory(pair)), LEFTOVERS_MS);
      await expectForeignStorageWorks();
      await expectHealthyKernel();
    },
  };
  await site.step('the daemon starts', async () => daemon.start());
  return site;
}

async function step<T>(text: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const seconds = (): string => ((performance.now() - start) / 1000).toFixed(1);
  try {
    const result = await work();
    console.log(`  ${text} (${seconds()} s)`);
    return result;
  } catch (error) {
    console.log(`  FAILED after ${seconds()} s: ${text}`);
    throw error;
  }
}
