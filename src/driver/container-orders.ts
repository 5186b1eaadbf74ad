import { Rounds } from '../backend/rounds.js';
import type { Engine } from '../contracts/engine.js';
import { asDriverError, type ErrorCode } from '../domain/errors.js';
import { haltKey, type ContainerOrder, type GroupRun, type Halt, type StoppedContainer } from '../domain/group-run.js';
import { within } from '../domain/signals.js';
import { commitUnder } from './commit-under.js';
import type { DriverContext } from './context.js';

/** The metadata tell of a new order at once; this is for what they may have missed. */
const LOOK_INTERVAL_MS = 30_000;
const READ_TIMEOUT_MS = 5_000;

interface Parts extends Pick<DriverContext, 'store' | 'node' | 'logger'> {
  /** Undefined: hpe.conf says that nobody else stops containers here. */
  engine: Engine | undefined;
}

type Given = GroupRun & { order: ContainerOrder };
type Outcome = Pick<Halt, 'containers'> & { problems: string[] };

/**
 * Stops and starts containers of this node for a `failover run --all-nodes` that was typed on another one. Before each of them the
 * order is read again: one that has ended, or was replaced, is not gone on with. Each is on record before it is stopped, so that
 * exactly these are started again, by this run or by one that goes on with it.
 */
export class ContainerOrders {
  readonly #parts: Parts;
  readonly #rounds = new Rounds(async (signal) => this.#look(signal), LOOK_INTERVAL_MS);
  #unwatch: (() => void) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#parts.store.kind === 'embedded') return;
    this.#unwatch = this.#parts.store.watch('run', () => this.#rounds.trigger());
    this.#rounds.start();
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    await this.#rounds.stop();
  }

  /** Never throws: an order that stands is seen again. */
  async #look(stopped: AbortSignal): Promise<void> {
    const { store, node, logger } = this.#parts;
    try {
      const runs = await store.list('run', within(READ_TIMEOUT_MS, stopped));
      const given = runs.filter((run): run is Given => run.order?.nodes.includes(node.id) === true);
      await Promise.all(given.map(async (run) => this.#obey(run, stopped)));
    } catch (thrown) {
      if (stopped.aborted) return;
      logger.debug('orders to stop containers could not be read, or carried out', {
        reason: asDriverError(thrown).message,
      });
    }
  }

  async #obey(run: Given, stopped: AbortSignal): Promise<void> {
    const { store, node, logger, engine } = this.#parts;
    const { backend, group, order } = run;
    const key = haltKey({ backend, group, node: node.id });
    const halt = await store.find('halt', key, within(READ_TIMEOUT_MS, stopped));
    if (halt?.answer?.order === order.id) return;
    const before: Halt = { backend, group, node: node.id, nodeName: node.name, containers: halt?.containers ?? [] };
    if (engine === undefined) {
      const text = 'hpe.conf says docker_socket = none there: nobody else stops or starts its containers';
      const problems = [`${text}; ${byHand(order)}`];
      await this.#save({ ...before, answer: { order: order.id, problems } }, stopped);
      return;
    }
    logger.warn(`containers: ${order.verb} for the ${run.goal} of a group`, { group, by: run.by, from: run.nodeName });
    const at = { run, engine, halt: before };
    const outcome = await (order.verb === 'stop' ? this.#stopAll(at, stopped) : this.#startAll(at, stopped));
    if (outcome === undefined) return;
    const { containers, problems } = outcome;
    await this.#save({ ...before, containers, answer: { order: order.id, problems } }, stopped);
  }

  /** Undefined: the order does not stand any more. */
  async #stopAll(at: { run: Given; engine: Engine; halt: Halt }, stopped: AbortSignal): Promise<Outcome | undefined> {
    const { run, engine, halt } = at;
    const problems: string[] = [];
    let { containers } = halt;
    for (const found of await this.#find(run, engine, stopped).catch(listed(problems, run.order))) {
      const { id, name, volumes } = found;
      const before = containers;
      if (!containers.some((each) => each.id === id)) containers = [...containers, { id, name, volumes }];
      await this.#save({ ...halt, containers }, stopped);
      if (!(await this.#stands(run, stopped))) {
        await this.#save({ ...halt, containers: before }, stopped);
        return undefined;
      }
      await this.#do(`docker stop ${name}`, async () => engine.stop(id), problems);
    }
    return { containers, problems };
  }

  async #startAll(at: { run: Given; engine: Engine; halt: Halt }, stopped: AbortSignal): Promise<Outcome | undefined> {
    const { run, engine, halt } = at;
    const problems: string[] = [];
    let { containers } = halt;
    // The other way round than they were stopped.
    for (const { id, name } of containers.toReversed()) {
      if (!(await this.#stands(run, stopped))) return undefined;
      const failure = await this.#do(`docker start ${name}`, async () => engine.start(id), problems);
      // One that is gone is told, and owed no longer.
      if (failure !== undefined && failure !== 'not-found') continue;
      containers = containers.filter((each) => each.id !== id);
      await this.#save({ ...halt, containers }, stopped);
    }
    return { containers, problems };
  }

  /** What uses volumes of a group of that name (two backends may share one on their arrays) which are attached here by the metadata's word, and which were asked for. */
  async #find({ group, order }: Given, engine: Engine, stopped: AbortSignal): Promise<StoppedContainer[]> {
    const { store, node } = this.#parts;
    const signal = within(READ_TIMEOUT_MS, stopped);
    const names = order.volumes.toSorted();
    const wanted = names.map((name) => ['attachment', name] as const);
    const attachments = await store.findAll(wanted, signal);
    const asked = names.filter((_name, at) => attachments[at]?.node === node.id);
    const volumes = await Promise.all(asked.map(async (name) => store.find('volume', name, signal)));
    const meant = volumes.filter((volume) => volume?.spec.replicationGroup === group);
    return engine.using(meant.flatMap((volume) => volume?.name ?? []));
  }

  async #stands({ backend, group, id, order }: Given, stopped: AbortSignal): Promise<boolean> {
    const { store, logger } = this.#parts;
    const now = await store.find('run', `${backend}/${group}`, within(READ_TIMEOUT_MS, stopped));
    if (now?.id === id && now.order?.id === order.id) return true;
    logger.warn(`the order to ${order.verb} containers has ended; no more is done for it`, { group });
    return false;
  }

  async #do(what: string, work: () => Promise<void>, problems: string[]): Promise<ErrorCode | undefined> {
    try {
      await work();
      this.#parts.logger.warn(what);
      return undefined;
    } catch (thrown) {
      const { code, message } = asDriverError(thrown);
      problems.push(`${what}: ${message}`);
      return code;
    }
  }

  async #save(value: Halt, stopped: AbortSignal): Promise<void> {
    const key = haltKey(value);
    const at = { store: this.#parts.store, lock: `halt:${key}` };
    const decide = async () => Promise.resolve([{ put: 'halt' as const, key, value }]);
    await commitUnder(at, decide, within(READ_TIMEOUT_MS, stopped));
  }
}

/** Docker that does not answer is an answer, too. */
const listed =
  (problems: string[], order: ContainerOrder) =>
  (thrown: unknown): StoppedContainer[] => {
    problems.push(`${asDriverError(thrown).message} (a managed plugin sees no socket of Docker); ${byHand(order)}`);
    return [];
  };

/** What to type instead. Nothing is on record for a node that has stopped nothing, so nobody starts it again either. */
function byHand({ verb, volumes }: ContainerOrder): string {
  if (verb === 'start') return 'type on that node: docker ps -a, and docker start what was stopped';
  const filters = volumes.map((name) => ` --filter volume=${name}`).join('');
  return `type on that node: docker ps${filters}; docker stop what it lists, and docker start it when this run has ended`;
}
