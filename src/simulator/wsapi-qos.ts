import { Refusal } from './codes.js';
import type { QosLimits, QosRule, VolumeSet } from './model.js';
import { createQosRule, deleteQosRule, getQosRule, modifyQosRule } from './qos.js';
import type { QosChange } from './qos.js';
import { NAME } from './wsapi-body.js';
import type { Members } from './wsapi-body.js';
import { collection, created, membersOf, OK, param } from './wsapi-route.js';
import type { Reply, Route, WsapiRequest } from './wsapi-route.js';

/** reference 4.6; only rules of volume sets are simulated. */
export const QOS_ROUTES: Route[] = [
  {
    method: 'GET',
    path: '/qos',
    handle: ({ array }) =>
      collection([...array.volumeSets.values()].flatMap((set) => (set.qos ? [viewRule(set, set.qos)] : []))),
  },
  { method: 'POST', path: '/qos', handle: postRule },
  {
    method: 'GET',
    path: '/qos/:target',
    handle: (request) => {
      const { set, rule } = getQosRule(request.array, setName(request));
      return { status: 200, body: viewRule(set, rule) };
    },
  },
  {
    method: 'PUT',
    path: '/qos/:target',
    handle: (request) => {
      const body = membersOf(request);
      const change = readChange(body);
      body.done();
      modifyQosRule(request.array, setName(request), change);
      return OK;
    },
  },
  {
    method: 'DELETE',
    path: '/qos/:target',
    handle: (request) => {
      deleteQosRule(request.array, setName(request));
      return OK;
    },
  },
];

function setName(request: WsapiRequest): string {
  const target = param(request, 'target');
  const [, name] = /^vvset:(.+)$/.exec(target) ?? [];
  if (name === undefined) throw new Refusal('NON_EXISTENT_QOS_RULE', `${target} has no QoS rule`);
  return name;
}

function postRule(request: WsapiRequest): Reply {
  const body = membersOf(request);
  const name = body.getText('name', NAME);
  if ((body.findEnum('type', [1, 2]) ?? 1) === 2) {
    throw new Refusal('UNSUP_OP', 'rules of the whole system are not simulated', 'type');
  }
  const shape = readChange(body);
  body.done();
  createQosRule(request.array, name, shape);
  return created(`/qos/vvset:${name}`);
}

/** Limits with their operators: 1 = zero, 2 = none. */
const LIMITS = [
  ['bwMinGoalKB', 'bwMinGoalOP'],
  ['bwMaxLimitKB', 'bwMaxLimitOP'],
  ['ioMinGoal', 'ioMinGoalOP'],
  ['ioMaxLimit', 'ioMaxLimitOP'],
] as const;

function readChange(body: Members): QosChange {
  const limits: QosLimits = {};
  for (const [limit, operator] of LIMITS) {
    const value = body.findInteger(limit, { min: 0 });
    const operation = body.findEnum(operator, [1, 2]);
    if (value !== undefined && operation !== undefined) {
      throw new Refusal('PARAM_CONFLICT', `${limit} and ${operator} exclude each other`, operator);
    }
    if (value !== undefined || operation !== undefined) limits[limit] = operation === 1 ? 0 : value;
  }
  const latencyGoal = body.findInteger('latencyGoal', { min: 1 });
  if (body.flag('defaultLatency')) limits.latencyGoal = undefined;
  else if (latencyGoal !== undefined) limits.latencyGoal = latencyGoal;
  return { enabled: body.findFlag('enable'), priority: body.findEnum('priority', [1, 2, 3]), limits };
}

function viewRule(set: VolumeSet, { id, enabled, priority, limits }: QosRule): object {
  const { latencyGoal } = limits;
  return {
    id,
    type: 1,
    name: set.name,
    enabled,
    priority,
    ...limits,
    ...(latencyGoal !== undefined && { latencyGoaluSecs: latencyGoal * 1000 }),
  };
}
