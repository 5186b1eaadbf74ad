import { parseArgs } from 'node:util';
import type { Container, Engine } from '../contracts/engine.js';
import { DriverError } from '../domain/errors.js';
import type { Goal } from '../domain/failover-plan.js';
import { groupOnArrays, type GroupReport } from '../domain/group-report.js';
import { checkReason } from '../domain/override.js';
import { openDeeds } from './array-deeds.js';
import { openAudit } from './audit.js';
import { connectEngine } from './engine.js';
import { GuideRun } from './guide-run.js';
import { planOf } from './plan-of.js';
import { printPlan } from './print-plan.js';
import { withReports, type Where } from './reports.js';
import { openRunJournal } from './run-journal.js';
import { asOnlyRun } from './only-run.js';
import { WHERE_OPTIONS } from './status.js';
import { processTerminal, type Terminal } from './terminal.js';
import { UsageError } from './usage.js';

interface Order {
  verb: string;
  group: string;
  backend: string | undefined;
  json: boolean;
  yes: boolean;
  acceptLoss: string | undefined;
  allNodes: boolean;
  where: Where;
  dockerSocket: string;
}

/** `failover plan|run RCG`. The lines to print. @throws UsageError, or DriverError */
export const failover = async (args: string[], terminal?: Terminal): Promise<string[]> =>
  guide('failover', args, terminal);

/** `failback plan|run RCG`. */
export const failback = async (args: string[], terminal?: Terminal): Promise<string[]> =>
  guide('failback', args, terminal);

async function guide(goal: Goal, args: string[], terminal: Terminal | undefined): Promise<string[]> {
  const order = parseGroupOrder(goal, args);
  if (order.verb === 'plan') return plan(goal, order);
  await run(goal, order, terminal ?? processTerminal(order));
  return [];
}

async function plan(goal: Goal, { where, dockerSocket, json, group, backend }: Order): Promise<string[]> {
  const report = await withReports(where, async (reports) => reports.group({ name: group, backend }));
  const made = planOf(goal, report);
  const containers = await containersOf(connectEngine(dockerSocket), report);
  if (json) return [JSON.stringify({ report, plan: made, containers: containers ?? null }, undefined, 2)];
  return printPlan({ report, plan: made, containers });
}

/** Of this node; undefined when Docker does not answer, which a plan can live with. */
async function containersOf(engine: Engine, report: GroupReport): Promise<Container[] | undefined> {
  const here = report.volumes.filter((each) => each.use?.isHere === true).map((each) => each.name);
  try {
    return await engine.using(here);
  } catch {
    return undefined;
  }
}

async function run(goal: Goal, order: Order, terminal: Terminal): Promise<void> {
  const { where, acceptLoss, allNodes, dockerSocket } = order;
  const engine = connectEngine(dockerSocket);
  await withReports(where, async (reports) => {
    if (!reports.isServed) {
      throw new DriverError('refused', `no daemon runs with the state directory ${where.stateDir}; nothing was done`, {
        next: 'start the plugin: containers can be stopped and started only with it',
      });
    }
    const report = await reports.group({ name: order.group, backend: order.backend });
    const { backend, name } = report;
    const audit = await openAudit(where.stateDir, `${goal} run ${name}`);
    const arrays = groupOnArrays(report);
    const journal = await openRunJournal(where.stateDir, { backend, group: name, arrays });
    const about = { goal, backend, group: name, arrays };
    try {
      await asOnlyRun({ where, about, reports, terminal }, async (shared) => {
        const deeds = await openDeeds(where, report, reports);
        const group = { name, backend };
        const parts = { goal, group, reports, deeds, engine, journal, audit, terminal, acceptLoss, allNodes };
        try {
          await new GuideRun({ ...parts, ...shared }).run();
        } finally {
          await deeds.close();
        }
      });
    } finally {
      await journal.release();
    }
  });
}

/** @throws UsageError naming what is wrong */
export function parseGroupOrder(command: Goal | 'verify', args: string[]): Order {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...WHERE_OPTIONS,
        backend: { type: 'string' },
        json: { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        'accept-loss': { type: 'string' },
        'all-nodes': { type: 'boolean', default: false },
      },
    });
    const [verb = '', group, ...rest] = command === 'verify' ? ['verify', ...positionals] : positionals;
    const verbs = command === 'verify' ? ['verify'] : ['plan', 'run'];
    if (!verbs.includes(verb) || group === undefined || rest.length > 0) {
      const first = command === 'verify' ? '' : 'plan or run, and ';
      throw new UsageError(`${command} takes ${first}the name of one remote copy group`);
    }
    const { 'accept-loss': reason, 'all-nodes': allNodes, yes, json, backend } = values;
    if (verb !== 'run' && (yes || allNodes || reason !== undefined)) {
      throw new UsageError('--yes, --all-nodes and --accept-loss go with run');
    }
    if (verb === 'run' && json) throw new UsageError('--json goes with plan');
    const where = { configFile: values.config, stateDir: values['state-dir'] };
    const acceptLoss = reason === undefined ? undefined : checkReason(reason);
    return { verb, group, backend, json, yes, acceptLoss, allNodes, where, dockerSocket: values['docker-socket'] };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
