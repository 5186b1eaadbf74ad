import { formatTime } from './cli-tables.js';
import { Refusal } from './codes.js';
import { TASK_STATUS, TASK_TYPE } from './model.js';
import type { Task } from './model.js';
import { cancelTask, getTask } from './tasks.js';
import { collection, membersOf, OK, param } from './wsapi-route.js';
import type { Route, WsapiRequest } from './wsapi-route.js';

/** reference 4.4 */
export const TASK_ROUTES: Route[] = [
  { method: 'GET', path: '/tasks', handle: ({ array }) => collection([...array.tasks.values()].map(viewTask)) },
  {
    method: 'GET',
    path: '/tasks/:id',
    handle: (request) => ({ status: 200, body: viewTask(getTask(request.array, taskId(request))) }),
  },
  {
    method: 'PUT',
    path: '/tasks/:id',
    handle: async (request) => {
      const body = membersOf(request);
      body.getEnum('action', [1]);
      body.done();
      await cancelTask(request.array, taskId(request));
      return OK;
    },
  },
];

function taskId(request: WsapiRequest): number {
  const text = param(request, 'id');
  if (!/^\d+$/.test(text)) throw new Refusal('INV_INPUT', `${text} is no task id`, 'id');
  return Number(text);
}

function viewTask(task: Task): object {
  const { id, name, startedAt, finishedAt, priority, status } = task;
  return {
    id,
    type: TASK_TYPE[task.type],
    name,
    status: TASK_STATUS[status],
    startTime: formatTime(startedAt),
    finishTime: finishedAt === undefined ? '-' : formatTime(finishedAt),
    priority,
    user: '3paradm',
    detailedStatus: `${formatTime(startedAt)} Created task.\n${task.detail}`,
  };
}
