import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { SIDES } from '../domain/group-report.js';
import type { GroupStatus, StatusReport } from '../driver/status-report.js';
import type { Seen } from './snapshot.js';

/** Groups beyond that are counted only, so that a scrape stays small. */
const MOST_GROUPS = 200;
const SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120];

/** One answer of an array, or none. */
export interface ArrayCall {
  /** `DEFAULT/primary` */
  array: string;
  /** HTTP status; undefined: there was no answer. */
  status: number | undefined;
  ms: number;
}

/** One request of dockerd. */
export interface Request {
  /** `Mount`, … */
  verb: string;
  /** `ok`, or the class of the error. */
  outcome: string;
  ms: number;
}

/** Everything that is counted, in the words of Prometheus. Labels are bounded: no volume, container or error text is one. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<'verb' | 'outcome'>;
  readonly #calls: Histogram<'array' | 'status'>;
  readonly #locks: Histogram<'outcome'>;

  constructor(version: string) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const made = { buckets: SECONDS, registers };
    this.#requests = new Histogram({
      name: 'hpe_plugin_request_seconds',
      help: 'Requests of dockerd, by verb and outcome (ok, or the class of the error)',
      labelNames: ['verb', 'outcome'],
      ...made,
    });
    this.#calls = new Histogram({
      name: 'hpe_array_call_seconds',
      help: 'Calls to an array, by HTTP status class (2xx, 4xx, 5xx), none without an answer',
      labelNames: ['array', 'status'],
      ...made,
    });
    this.#locks = new Histogram({
      name: 'hpe_lock_wait_seconds',
      help: 'Waiting for the locks of a volume or group, by outcome (held, refused)',
      labelNames: ['outcome'],
      ...made,
    });
    this.#gauge('hpe_plugin_info', 'The running release').labels({ version }).set(1);
  }

  request({ verb, outcome, ms }: Request): void {
    this.#requests.observe({ verb, outcome }, ms / 1000);
  }

  arrayCall({ array, status, ms }: ArrayCall): void {
    this.#calls.observe({ array, status: status === undefined ? 'none' : `${Math.floor(status / 100)}xx` }, ms / 1000);
  }

  lock(outcome: 'held' | 'refused', ms: number): void {
    this.#locks.observe({ outcome }, ms / 1000);
  }

  /** The text of `/metrics`. */
  async text({ report, ageSeconds, problem }: Seen): Promise<string> {
    this.#gauge('hpe_status_up', 'Whether the status could be made: metadata readable').set(
      problem === undefined ? 1 : 0,
    );
    if (report !== undefined) {
      this.#gauge('hpe_status_age_seconds', 'Age of what the gauges below tell').set(ageSeconds);
      this.#tellArrays(report);
      this.#tellGroups(report.groups);
      this.#tellVolumes(report);
    }
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #tellArrays({ arrays }: StatusReport): void {
    const reachable = this.#gauge('hpe_array_reachable', 'Whether the array answered');
    const sessions = this.#gauge('hpe_array_sessions', 'Sessions of the web service, of everybody');
    for (const each of arrays) {
      const array = `${each.backend}/${each.side}`;
      reachable.labels({ array }).set(each.reachable ? 1 : 0);
      if (each.sessions !== undefined) sessions.labels({ array }).set(each.sessions);
    }
  }

  #tellGroups(groups: readonly GroupStatus[]): void {
    this.#gauge('hpe_groups', 'Remote copy groups on record').set(groups.length);
    const isProtected = this.#gauge(
      'hpe_group_protected',
      'Whether a write that is acknowledged now survives the loss of an array',
    );
    const active = this.#gauge(
      'hpe_group_active',
      '1 for the side that is proven to serve the group; 0 on both: none is',
    );
    const synced = this.#gauge(
      'hpe_group_members',
      'Members, by whether they are synced, as the side that serves the group says',
    );
    const age = this.#gauge(
      'hpe_group_last_sync_age_seconds',
      'Periodic groups: age of the last completed sync, which is what a failover loses',
    );
    const failedOver = this.#gauge('hpe_group_failed_over', 'Whether roles are reversed');
    for (const group of groups.slice(0, MOST_GROUPS)) {
      const { name, backend, sides } = group.report;
      const labels = { backend, group: name };
      isProtected.labels(labels).set(group.protected ? 1 : 0);
      for (const side of SIDES) active.labels({ ...labels, side }).set(group.active === side ? 1 : 0);
      const isReversed = SIDES.some((side) => sides[side].view.answer === 'group' && sides[side].view.reversed);
      failedOver.labels(labels).set(isReversed ? 1 : 0);
      if (group.lastSyncAgeSeconds !== undefined) age.labels(labels).set(group.lastSyncAgeSeconds);
      if (group.active === null) continue;
      const { members } = sides[group.active];
      const done = members.filter(({ syncStatus }) => syncStatus === 'synced').length;
      synced.labels({ ...labels, synced: 'yes' }).set(done);
      synced.labels({ ...labels, synced: 'no' }).set(members.length - done);
    }
  }

  #tellVolumes({ volumes, operations, leftOvers, runs = [], stopped = [] }: StatusReport): void {
    const count = this.#gauge(
      'hpe_volumes',
      'Volumes on record, by backend and whether they are mounted (here, elsewhere, no)',
    );
    for (const { backend, isHere } of volumes) {
      count.labels({ backend, mounted: isHere === undefined ? 'no' : isHere ? 'here' : 'elsewhere' }).inc();
    }
    const apart = this.#gauge(
      'hpe_mounts_apart',
      'Peer persistence: mounts whose copies were seen apart, by whether their data have moved',
    );
    for (const moved of [true, false]) {
      const found = volumes.filter((each) => each.apart !== undefined && (each.apart.moved === true) === moved);
      apart.labels({ moved: moved ? 'yes' : 'no' }).set(found.length);
    }
    const open = this.#gauge('hpe_open_operations', 'Changes that are not finished, by whether they have failed once');
    const failed = operations.filter(({ error }) => error !== undefined).length;
    open.labels({ failed: 'yes' }).set(failed);
    open.labels({ failed: 'no' }).set(operations.length - failed);
    this.#gauge('hpe_runs', 'Failovers and failbacks that are under way').set(runs.length);
    const halted = stopped.flatMap((each) => each.containers).length;
    this.#gauge('hpe_stopped_containers', 'Stopped to move a group, and not started again yet').set(halted);
    this.#gauge('hpe_left_overs', 'What is still to be removed somewhere').set(leftOvers.length);
    const oldest = Math.max(0, ...operations.map(({ startedAt }) => (Date.now() - Date.parse(startedAt)) / 1000));
    this.#gauge('hpe_oldest_operation_seconds', 'Age of the oldest change that is not finished').set(oldest);
  }

  /** Made anew for each scrape: what is gone is not told any more. */
  #gauge(name: string, help: string): Gauge {
    this.#registry.removeSingleMetric(name);
    return new Gauge({ name, help, labelNames: LABELS, registers: [this.#registry] });
  }
}

const LABELS = ['array', 'backend', 'group', 'side', 'synced', 'mounted', 'moved', 'failed', 'version'];
