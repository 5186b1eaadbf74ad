import type { SimulatedArray } from './array.js';
import { Refusal } from './codes.js';
import type { QosLimits, QosRule, VolumeSet } from './model.js';

export interface QosChange {
  enabled: boolean | undefined;
  priority: QosRule['priority'] | undefined;
  /** A limit that is undefined here goes; one that is absent stays. */
  limits: QosLimits;
}

/** The rule of a volume set: reference 4.6. */
export function createQosRule(array: SimulatedArray, setName: string, shape: QosChange): void {
  array.checkLicense('Priority Optimization');
  const set = array.volumeSets.get(setName);
  if (set === undefined) {
    throw new Refusal('NON_EXISTENT_QOS_TARGET_OBJECT', `volume set ${setName} does not exist`, 'name');
  }
  if (set.qos !== undefined) {
    throw new Refusal('EXISTENT_QOS_RULE', `volume set ${setName} has a QoS rule already`, 'name');
  }
  checkLimits(shape.limits);
  const { enabled = true, priority = 2, limits } = shape;
  set.qos = { id: array.nextId(), enabled, priority, limits };
}

export function modifyQosRule(array: SimulatedArray, setName: string, change: QosChange): void {
  const { rule } = getQosRule(array, setName);
  const limits = { ...rule.limits, ...change.limits };
  checkLimits(limits);
  Object.assign(rule, { enabled: change.enabled ?? rule.enabled, priority: change.priority ?? rule.priority, limits });
}

export function deleteQosRule(array: SimulatedArray, setName: string): void {
  getQosRule(array, setName).set.qos = undefined;
}

/** @throws Refusal 404/100, also when the set does not exist */
export function getQosRule(array: SimulatedArray, setName: string): { set: VolumeSet; rule: QosRule } {
  const set = array.volumeSets.get(setName);
  if (set?.qos === undefined) throw new Refusal('NON_EXISTENT_QOS_RULE', `vvset:${setName} has no QoS rule`);
  return { set, rule: set.qos };
}

function checkLimits({ bwMinGoalKB = 0, bwMaxLimitKB = Infinity, ioMinGoal = 0, ioMaxLimit = Infinity }: QosLimits) {
  if (bwMinGoalKB <= bwMaxLimitKB && ioMinGoal <= ioMaxLimit) return;
  throw new Refusal('MIN_GOAL_GT_MAX_LIMIT', 'a minimum goal is higher than its maximum limit');
}
