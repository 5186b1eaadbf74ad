import type { FailoverPlan, Goal, RunMemory } from '../domain/failover-plan.js';
import type { GroupReport } from '../domain/group-report.js';
import { planFailback } from '../domain/plan-failback.js';
import { planFailover } from '../domain/plan-failover.js';

export const planOf = (goal: Goal, report: GroupReport, memory: RunMemory = {}): FailoverPlan =>
  goal === 'failover' ? planFailover(report, memory) : planFailback(report);
