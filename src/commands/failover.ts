import { parseArgs } from 'node:util';
import { asDriverError } from '../domain/errors.js';
import type { FailoverPlan, Goal, RunMemory } from '../domain/failover-plan.js';
import type { GroupReport } from '../domain/group-report.js';
import { planFailback } from '../domain/plan-failback.js';
import { planFailover } from '../domain/plan-failover.js';
import { connectEngine, type Container, type Engine } from './engine.js';
import { printPlan } from './print-plan.js';
import { withReports, type Where } from './reports.js';
import { WHERE_OPTIONS } from './status.js';
import { UsageError } from './usage.js';

interface Order {
  verb: 'plan';
  group: string;
  backend: string | undefined;
  json: boolean;
  where: Where;
  dockerSocket: string;
}

/** `failover plan RCG`. The lines to print. @throws UsageError, or DriverError */
export const failover = async (args: string[]): Promise<string[]> => guide('failover', args);

/** `failback plan RCG`. */
export const failback = async (args: string[]): Promise<string[]> => guide('failback', args);

async function guide(goal: Goal, args: string[]): Promise<string[]> {
  const { where, dockerSocket, json, group, backend } = parseOrder(goal, args);
  const report = await withReports(where, async (reports) => reports.group({ name: group, backend }));
  const plan = planOf(goal, report);
  const containers = await containersOf(connectEngine(dockerSocket), report);
  if (json) return [JSON.stringify({ report, plan, containers: containers ?? null }, undefined, 2)];
  return printPlan({ report, plan, containers });
}

export const planOf = (goal: Goal, report: GroupReport, memory: RunMemory = {}): FailoverPlan =>
  goal === 'failover' ? planFailover(report, memory) : planFailback(report);

/** Of this node; undefined when Docker does not answer, which a plan can live with. */
async function containersOf(engine: Engine, report: GroupReport): Promise<Container[] | undefined> {
  const here = report.volumes.filter((each) => each.use?.isHere === true).map((each) => each.name);
  try {
    return await engine.using(here);
  } catch (thrown) {
    asDriverError(thrown);
    return undefined;
  }
}

/** @throws UsageError naming what is wrong */
export function parseOrder(goal: Goal, args: string[]): Order {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...WHERE_OPTIONS, backend: { type: 'string' }, json: { type: 'boolean', default: false } },
    });
    const [verb, group, ...rest] = positionals;
    if (verb !== 'plan' || group === undefined || rest.length > 0) {
      throw new UsageError(`${goal} takes plan, and the name of one remote copy group`);
    }
    const where = { configFile: values.config, stateDir: values['state-dir'] };
    return { verb, group, backend: values.backend, json: values.json, where, dockerSocket: values['docker-socket'] };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
