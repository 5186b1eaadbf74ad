import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { MetadataStore } from '../contracts/store.js';
import { asDriverError } from '../domain/errors.js';
import { haltKey, type ContainerOrder, type Halt } from '../domain/group-run.js';
import type { GroupReport, GroupVolume } from '../domain/group-report.js';
import type { RunLock } from './run-lock.js';
import type { RunProgress } from './run-progress.js';

/** A little more than Docker may take to stop one container; each that was stopped begins it anew. */
const PATIENCE_MS = 330_000;
const POLL_MS = 500;
const READ_MS = 5_000;

interface OtherNodesParts {
  /** Undefined: the metadata are this node's alone. */
  store: MetadataStore | undefined;
  lock: RunLock;
  group: { backend: string; name: string };
  progress: RunProgress;
}

interface Asked {
  id: string;
  name: string;
}

/** What the daemons of other nodes do for a run: they are asked through the metadata, and answer there. */
export class OtherNodes {
  readonly #parts: OtherNodesParts;
  /** Each is asked once; what it could not do is waited for, as without it. */
  readonly #asked = new Set<string>();

  constructor(parts: OtherNodesParts) {
    this.#parts = parts;
  }

  /** Living ones that use one of the volumes, and were not asked yet. */
  leftToAsk(report: GroupReport, volumes: readonly string[]): Asked[] {
    const users = report.volumes.filter((each) => volumes.includes(each.name) && isElsewhere(each));
    const nodes = new Map(users.flatMap(({ use }) => (use === undefined ? [] : [[use.node, use.nodeName] as const])));
    return [...nodes].filter(([id]) => !this.#asked.has(id)).map(([id, name]) => ({ id, name }));
  }

  /** All at once; says what each has stopped, or why it has not. */
  async stop(report: GroupReport, volumes: string[]): Promise<void> {
    const nodes = this.leftToAsk(report, volumes);
    for (const { id } of nodes) this.#asked.add(id);
    const before = new Map((await this.#halts()).map((each) => [each.node, each.containers.length]));
    for (const { name, problems, halt } of await this.#order('stop', nodes, volumes)) {
      const stopped = (halt?.containers ?? []).slice(before.get(halt?.node ?? '') ?? 0);
      await this.#parts.progress.note(`node ${name} has stopped ${namesOf(stopped)}`);
      for (const each of problems) await this.#parts.progress.note(`node ${name}: ${each}`, 'failed');
    }
  }

  /** What runs of this group have stopped elsewhere; why something was not started. */
  async start(): Promise<string[]> {
    const owed = (await this.#halts()).filter((each) => each.containers.length > 0);
    const answers = await this.#order(
      'start',
      owed.map(({ node, nodeName }) => ({ id: node, name: nodeName })),
      [],
    );
    const failures: string[] = [];
    for (const { id, name, problems, halt } of answers) {
      const before = owed.find((each) => each.node === id)?.containers ?? [];
      const left = halt?.containers ?? [];
      const started = before.filter((each) => !left.some((other) => other.id === each.id));
      await this.#parts.progress.note(`node ${name} has started ${namesOf(started)}`);
      for (const each of problems) await this.#parts.progress.note(`node ${name}: ${each}`, 'failed');
      if (left.length > 0) failures.push(`${namesOf(left)} on node ${name}: ${problems.join('; ')}`);
    }
    await this.#forget();
    return failures;
  }

  async #order(
    verb: ContainerOrder['verb'],
    nodes: Asked[],
    volumes: string[],
  ): Promise<(Asked & { problems: string[]; halt: Halt | undefined })[]> {
    if (nodes.length === 0) return [];
    const { lock } = this.#parts;
    const id = randomUUID();
    await lock.give({ id, verb, nodes: nodes.map((each) => each.id), volumes });
    try {
      const silent = await this.#answersTo(id, nodes);
      const halts = new Map((await this.#halts()).map((each) => [each.node, each]));
      return nodes.map((node) => {
        const halt = halts.get(node.id);
        const said = silent.has(node.id) ? [silentNode] : (halt?.answer?.problems ?? []);
        return { ...node, problems: said, halt };
      });
    } finally {
      // It ends by itself otherwise.
      await lock.give(undefined).catch(() => undefined);
    }
  }

  /** Returns who gave none: their daemons have ended, or nothing was heard of them for long. */
  async #answersTo(order: string, nodes: Asked[]): Promise<Set<string>> {
    const { progress, store } = this.#parts;
    let until = performance.now() + PATIENCE_MS;
    let seen = '';
    for (;;) {
      const halts = await this.#halts().catch(() => []);
      const open = nodes.filter(({ id }) => !halts.some((each) => each.node === id && each.answer?.order === order));
      const living = await store?.livingNodes(AbortSignal.timeout(READ_MS)).catch(() => undefined);
      const waited = open.filter(({ id }) => living === undefined || living.has(id));
      const now = JSON.stringify(halts);
      if (now !== seen) until = performance.now() + PATIENCE_MS;
      seen = now;
      if (waited.length === 0 || performance.now() > until) return new Set(open.map((each) => each.id));
      progress.say(`waiting for ${waited.map((each) => `node ${each.name}`).join(', ')}`);
      await pause(POLL_MS);
    }
  }

  /** Of this group. */
  async #halts(): Promise<Halt[]> {
    const { store, group } = this.#parts;
    const all = (await store?.list('halt', AbortSignal.timeout(READ_MS))) ?? [];
    return all.filter((each) => each.backend === group.backend && each.group === group.name);
  }

  /** Answers to orders that are over, of nodes that owe nothing. */
  async #forget(): Promise<void> {
    try {
      const done = (await this.#halts()).filter((each) => each.containers.length === 0);
      // One by one: there may be more nodes than a transaction holds, and none depends on another.
      for (const each of done) await this.#parts.lock.commit([{ remove: 'halt', key: haltKey(each) }]);
    } catch (thrown) {
      this.#parts.progress.say(`what other nodes have answered stays on record: ${asDriverError(thrown).message}`);
    }
  }
}

const silentNode =
  'it gave no answer; what it did before is on record, and what it did not has to be stopped there by hand';

const isElsewhere = ({ use }: GroupVolume): boolean => use !== undefined && !use.isHere && use.isAlive;

const namesOf = (containers: readonly { name: string }[]): string =>
  containers.length === 0 ? 'nothing' : containers.map((each) => each.name).join(', ');
