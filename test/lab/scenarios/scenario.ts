import type { ConfOptions } from '../../pair-client.js';
import type { Site } from '../inside/site.js';

/** One scenario of the lab; it runs in a guest of its own, which is fresh. */
export interface Scenario {
  /** For `--only`. */
  name: string;
  title: string;
  /** How the daemon is configured. */
  conf: ConfOptions;
  /** The clock of this machine: with idle cores it takes a third of it at most. */
  timeoutMs: number;
  /** With `--full`; the same if not said. */
  fullTimeoutMs?: number;
  /** Another guest is node 2, at the arrays of this one: see `node-two.ts`. */
  twoNodes?: true;
  /** The daemon runs in the managed plugin, not as a service. */
  managed?: true;
  /** Part of `--full` only, or of `--only`: a run of everything has no time for it. */
  long?: true;
  /** Part of `--quick`. */
  quick?: true;
  /** What is left afterwards is looked at by the one who calls. @throws when its proof fails */
  run(site: Site, options: ScenarioOptions): Promise<void>;
}

export interface ScenarioOptions {
  /** As many rounds as the acceptance test has, not as many as a run of all scenarios has time for. */
  full: boolean;
}
