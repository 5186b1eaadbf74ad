import type { Container, Engine } from '../contracts/engine.js';
import type { MetadataStore } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { generationsOf, type FailoverPlan, type Goal, type Step } from '../domain/failover-plan.js';
import { laggingIn, lastSyncOf, SIDES, type GroupReport } from '../domain/group-report.js';
import { otherSide } from '../domain/replication.js';
import { verifyGroup } from '../domain/verify-group.js';
import type { ArrayDeeds } from './array-deeds.js';
import { findingLines, notRight } from './findings.js';
import { OtherNodes } from './other-nodes.js';
import { planOf } from './plan-of.js';
import { describeLoss, describeStep, printPlan } from './print-plan.js';
import type { RunJournal, RunState } from './run-journal.js';
import type { RunLock } from './run-lock.js';
import { RunProgress, type ProgressParts } from './run-progress.js';

/** How long a change that an array took may need until it is seen. */
const CHANGE_PATIENCE_MS = 60_000;
/** The same for what copies first. */
const COPY_PATIENCE_MS = 60 * 60_000;
/** The same after a refusal, which may mean that it was done before. */
const REFUSED_PATIENCE_MS = 3_000;
/** Until a sync shows. */
const SYNC_SEEN_MS = 3_000;
const SYNC_ATTEMPTS = 3;
/** For other people to stop their containers, and for copies. */
const RELEASE_PATIENCE_MS = 30 * 60_000;
const SYNC_PATIENCE_MS = 24 * 60 * 60_000;

export interface RunParts extends ProgressParts {
  goal: Goal;
  group: { backend: string; name: string };
  deeds: Pick<ArrayDeeds, 'send'>;
  engine: Engine;
  journal: RunJournal;
  /** Why what is unsafe is to be done all the same. */
  acceptLoss?: string | undefined;
  lock: RunLock;
  /** The metadata that all nodes share, if they do. */
  store: MetadataStore | undefined;
  /** The daemons of other nodes are to stop their containers. */
  allNodes: boolean;
}

type ArrayStep = Extract<Step, { kind: 'array' }>;
interface Seen {
  report: GroupReport;
  plan: FailoverPlan;
  containers: Container[];
}

/**
 * Does a plan: looks, does the first step that is left, looks again. So it goes on wherever an earlier run ended, and no step is done on
 * what was seen before the one before it. @throws DriverError; what was done until then stays, and the same command goes on with it
 */
export class GuideRun {
  readonly #parts: RunParts;
  #state: RunState;
  readonly #progress: RunProgress;
  readonly #others: OtherNodes;
  /** Of the role table: what was shown as unsafe when the run began. A loss in another state of the arrays was not accepted. */
  #acceptedRow: number | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#progress = new RunProgress(parts);
    this.#others = new OtherNodes({ ...parts, progress: this.#progress });
    this.#state = { goal: parts.goal, startedAt: new Date().toISOString(), stopped: [] };
  }

  async run(): Promise<void> {
    const { audit, acceptLoss, terminal } = this.#parts;
    await this.#load();
    let seen = await this.#look();
    for (const line of printPlan(seen)) terminal.say(line);
    if (acceptLoss !== undefined && seen.plan.verdict === 'unsafe') this.#acceptedRow = seen.plan.row;
    await audit.write({ event: 'begin', what: `${seen.plan.verdict}: ${seen.plan.why}`, ...reasonOf(acceptLoss) });
    try {
      for (;;) {
        this.#check(seen.plan);
        await this.#rememberSynced(seen.report);
        const step = this.#next(seen);
        if (step === undefined || step.kind === 'verify') break;
        await this.#do(step, seen);
        if (step.kind === 'start-containers') break;
        seen = await this.#look();
      }
      await this.#finish();
    } catch (thrown) {
      await audit.write({ event: 'end', what: 'not finished', reason: asDriverError(thrown).toUserText() });
      throw thrown;
    }
  }

  async #load(): Promise<void> {
    const { goal, journal } = this.#parts;
    const before = await journal.load();
    if (before === undefined) return;
    const { synced: _synced, ...rest } = before;
    // Containers that a run in the other direction has stopped are still owed their start.
    this.#state = before.goal === goal ? before : { ...rest, goal };
    this.#progress.say(`going on with the ${before.goal} that was begun at ${before.startedAt}`);
  }

  async #look(): Promise<Seen> {
    await this.#parts.lock.ensure();
    const report = await this.#parts.reports.group(this.#parts.group);
    const here = report.volumes.filter((each) => each.use?.isHere === true).map((each) => each.name);
    const containers = await this.#parts.engine.using(here);
    return { report, plan: planOf(this.#parts.goal, report, this.#state), containers };
  }

  /** @throws `refused` */
  #check({ goal, verdict, row, why, loss, next }: FailoverPlan): void {
    const { name } = this.#parts.group;
    if (verdict === 'impossible')
      throw new DriverError('refused', `${goal} of ${name} is not possible now: ${why}`, {
        next: next ?? 'see the plan',
      });
    if (verdict !== 'unsafe' || row === this.#acceptedRow) return;
    const lost = `${goal} of ${name} is not safe: ${why}; lost: ${describeLoss(loss)}`;
    throw new DriverError('refused', lost, {
      next: `${next ?? 'see the plan'}; or, if that loss is to be taken: ${goal} run ${name} --accept-loss "REASON"`,
    });
  }

  /** The first step that is left and that can be done here. */
  #next({ plan, report, containers }: Seen): Step | undefined {
    return plan.steps.find((step) => {
      if (step.kind !== 'stop-containers') return true;
      if (step.isHere) return containers.some((each) => each.volumes.some((name) => step.volumes.includes(name)));
      if (this.#parts.allNodes && this.#others.leftToAsk(report, step.volumes).length > 0) return true;
      this.#progress.say(`elsewhere: ${describeStep(step, { report, containers })}`);
      return false;
    });
  }

  async #do(step: Step, seen: Seen): Promise<void> {
    switch (step.kind) {
      case 'stop-containers':
        return this.#stopContainers(step, seen);
      case 'wait-released':
        return this.#progress.wait(`nothing uses ${step.volumes.join(', ')}`, RELEASE_PATIENCE_MS, ({ volumes }) =>
          volumes
            .filter((each) => step.volumes.includes(each.name) && each.use?.isAlive === true)
            .map((each) => each.name),
        );
      case 'wait-synced':
        return this.#progress.wait('every volume is synced', SYNC_PATIENCE_MS, laggingIn);
      case 'array':
        return this.#command(step, seen);
      case 'start-containers':
        return this.#startContainers();
      case 'verify':
        return undefined;
    }
  }

  async #stopContainers(step: Extract<Step, { kind: 'stop-containers' }>, seen: Seen): Promise<void> {
    if (!step.isHere) return this.#stopElsewhere(seen);
    await this.#progress.confirm(describeStep(step, seen));
    for (const container of seen.containers.filter((each) =>
      each.volumes.some((name) => step.volumes.includes(name)),
    )) {
      const { id, name, volumes } = container;
      if (!this.#state.stopped.some((each) => each.id === id)) this.#state.stopped.push({ id, name, volumes });
      await this.#parts.journal.save(this.#state);
      await this.#progress.deed(`docker stop ${name}`, async () => this.#parts.engine.stop(id));
    }
  }

  /** On all nodes at once. */
  async #stopElsewhere(seen: Seen): Promise<void> {
    const steps = seen.plan.steps.filter((each) => each.kind === 'stop-containers').filter((each) => !each.isHere);
    for (const step of steps) await this.#progress.confirm(describeStep(step, seen));
    await this.#others.stop(
      seen.report,
      steps.flatMap((each) => each.volumes),
    );
  }

  async #startContainers(): Promise<void> {
    const failures: string[] = [];
    // The other way round than they were stopped.
    for (const container of this.#state.stopped.toReversed()) {
      try {
        await this.#progress.deed(`docker start ${container.name}`, async () => this.#parts.engine.start(container.id));
      } catch (thrown) {
        const { code, message } = asDriverError(thrown);
        if (code !== 'not-found') {
          failures.push(`${container.name}: ${message}`);
          continue;
        }
        this.#progress.say(`${container.name} is gone (run with --rm, or removed): run it anew as it was run before`);
      }
      this.#state.stopped = this.#state.stopped.filter((each) => each.id !== container.id);
      await this.#parts.journal.save(this.#state);
    }
    failures.push(...(await this.#others.start()));
    if (failures.length === 0) return;
    throw new DriverError('refused', `not started: ${failures.join('; ')}`, {
      next: 'remove the cause, and repeat the command',
    });
  }

  async #command(step: ArrayStep, seen: Seen): Promise<void> {
    await this.#progress.confirm(describeStep(step, seen));
    // The answer may have taken an hour.
    const now = await this.#look();
    this.#check(now.plan);
    const first = this.#next(now);
    if (first?.kind !== 'array' || first.command !== step.command) return;
    let failure: DriverError | undefined;
    const text = `on the ${step.side} array: ${step.command}`;
    await this.#progress
      .deed(text, async () => this.#parts.deeds.send(step.action, step.side, step.group))
      .catch((thrown: unknown) => {
        failure = asDriverError(thrown);
      });
    if (failure?.code === 'unavailable') throw failure;
    const patience = patienceWith(step, failure);
    if (step.action === 'sync') await this.#lastSync(step, now.report, patience);
    else
      await this.#progress
        .wait(`${step.command} is seen`, patience, (report) => this.#isStillNext(step, report))
        .catch((thrown: unknown) => {
          throw failure ?? thrown;
        });
  }

  /** The state decides whether it is done, not the answer. */
  #isStillNext(step: ArrayStep, report: GroupReport): string[] {
    const first = planOf(this.#parts.goal, report, this.#state).steps.find((each) => each.kind === 'array');
    return first?.kind === 'array' && first.command === step.command ? ['not yet'] : [];
  }

  /** A sync of a periodic group, with nobody writing, and none under way before: one that is seen from now on has everything. */
  async #lastSync(step: ArrayStep, before: GroupReport, patience: number): Promise<void> {
    const passive = otherSide(step.side);
    const old = lastSyncOf(before.sides[passive]);
    const unseen = (report: GroupReport): string[] => {
      if (SIDES.some((side) => report.sides[side].view.answer !== 'group')) return ['an array is silent'];
      return laggingIn(report).length > 0 || lastSyncOf(report.sides[passive]) !== old ? [] : ['not yet'];
    };
    // Arrays tell whole seconds, so one right after another shows the same time; the next one does not.
    for (let isSeen = false, attempt = 1; !isSeen; attempt += 1) {
      isSeen = await this.#progress.wait('the sync is seen', SYNC_SEEN_MS, unseen).then(
        () => true,
        (thrown: unknown) => {
          if (attempt === SYNC_ATTEMPTS) throw thrown;
          return false;
        },
      );
      if (!isSeen) await this.#parts.deeds.send(step.action, step.side, step.group);
    }
    await this.#progress.wait('the last sync is complete', patience, laggingIn);
    // Of before the sync: who mounts it meanwhile has written more.
    this.#state.synced = generationsOf(before);
    await this.#parts.journal.save(this.#state);
  }

  /** Of a synchronous group: both arrays have everything while nobody uses it, so a stop loses nothing. */
  async #rememberSynced(report: GroupReport): Promise<void> {
    const isIdle = report.volumes.every((each) => each.use?.isAlive !== true);
    const isStarted = SIDES.every((side) => {
      const { view } = report.sides[side];
      return view.answer === 'group' && view.state === 'started' && view.lagging.length === 0;
    });
    if (report.mode === 'asynchronous' || !isIdle || !isStarted) return;
    this.#state.synced = generationsOf(report);
    await this.#parts.journal.save(this.#state);
  }

  async #finish(): Promise<void> {
    const { audit, journal, reports, group, terminal } = this.#parts;
    const findings = verifyGroup(await reports.group({ ...group, exports: true }));
    for (const line of findingLines(findings)) terminal.say(line);
    const wrong = findings.filter((each) => each.level === 'wrong').map((each) => each.text);
    if (wrong.length > 0) throw notRight(group.name, wrong);
    await journal.remove();
    await audit.write({ event: 'end', what: 'finished, and verified' });
  }
}

function patienceWith({ action }: ArrayStep, failure: DriverError | undefined): number {
  if (failure !== undefined && failure.code !== 'unknown-outcome') return REFUSED_PATIENCE_MS;
  return action === 'restore' || action === 'sync' ? COPY_PATIENCE_MS : CHANGE_PATIENCE_MS;
}

const reasonOf = (reason: string | undefined): { reason?: string } => (reason === undefined ? {} : { reason });
