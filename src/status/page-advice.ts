import { describeApart } from '../domain/attachment.js';
import type { GroupSide } from '../domain/group-report.js';
import { otherSide } from '../domain/replication.js';
import type { ArrayStatus, GroupStatus, StatusReport, VolumeStatus } from '../driver/status-report.js';
import { clock } from './clock.js';
import { html, type Html } from './html.js';

/** What to do, first of all. */
export function adviceOf(report: StatusReport): Html {
  const silent = report.arrays.filter((each) => !each.reachable);
  const stale = report.volumes.filter((each) => isStale(each, report));
  const moved = report.volumes.filter((each) => each.apart?.moved === true);
  const bad = report.groups.filter((group) => !group.protected);
  const away = report.groups.filter((group) => group.protected && isFailedOver(group));
  const runs = report.runs ?? [];
  const owed = (report.stopped ?? []).filter(({ group }) => !runs.some((run) => run.group === group));
  // What a run has stopped must not be started by who reads this.
  const isMoving = ({ report: { name, backend } }: GroupStatus): boolean =>
    runs.some((run) => run.group === name && run.backend === backend);
  const items = [
    ...runs.map((run) => runItem(run)),
    ...owed.map((each) => owedItem(each)),
    ...byAddress(silent).map(([address, each]) => silentItem(address, each)),
    ...stale.map((volume) => staleItem(volume)),
    ...moved.map((volume) => movedItem(volume)),
    ...bad.filter((group) => !isMoving(group)).map((group) => groupItem(group)),
    ...away
      .filter((group) => !isMoving(group))
      .map((group) => html`<li>${awayText(group, 'and is protected again')}</li>`),
  ];
  if (items.length === 0) return wellOf(report);
  return html`<section
    class="${silent.length + stale.length + moved.length + bad.length + owed.length > 0 ? 'bad' : 'busy'} banner"
    id="advice"
  >
    <h2>What to do now</h2>
    <ul>
      ${items}
    </ul>
  </section>`;
}

function wellOf({ operations, leftOvers }: StatusReport): Html {
  const failed = operations.filter(({ error }) => error !== undefined).length;
  const open = failed + leftOvers.length;
  if (open === 0) return html`<p class="good banner">Every array answers, every group is protected.</p>`;
  return html`<p class="busy banner">
    Every array answers, every group is protected. Not finished: ${open}, with the reasons at the end.
  </p>`;
}

const runItem = ({ goal, group, nodeName, by, startedAt }: NonNullable<StatusReport['runs']>[number]): Html =>
  html`<li>
    <b>A ${goal} of group ${group}</b> is under way on node ${nodeName}, typed by ${by}, since ${clock(startedAt)}. Let
    it end, and do nothing to the group meanwhile; if it was interrupted, the same command goes on with it.
  </li>`;

const owedItem = ({ group, nodeName, containers }: NonNullable<StatusReport['stopped']>[number]): Html =>
  html`<li>
    <b>${containers.join(', ')}</b> on node ${nodeName}: stopped to move group ${group}, and not started again. The same
    command goes on and starts them, from any node: <code>hpe-volume-plugin failover run ${group}</code> (or failback,
    whichever was typed)
  </li>`;

/** It writes to a copy that is not, or no longer all, what it should be. */
export const isMisled = (volume: VolumeStatus, report: StatusReport): boolean =>
  isStale(volume, report) || volume.apart?.moved === true;

/** `https://…`, of an array's label. */
export const addressOf = (label: string): string => /\((\S+)\)/.exec(label)?.[1] ?? label;

/** Rule 46: it is still attached to the side that does not serve its group any more. */
export function isStale({ group, backend, side, bothArrays }: VolumeStatus, { groups }: StatusReport): boolean {
  if (bothArrays === true) return false;
  const found = groups.find(({ report }) => report.name === group && report.backend === backend);
  return side !== undefined && found !== undefined && found.active !== null && found.active !== side;
}

export function isFailedOver({ active, report }: GroupStatus): boolean {
  const view = active === null ? undefined : report.sides[active].view;
  return view?.answer === 'group' && view.reversed;
}

/** Several backends may be on one array. */
function byAddress(arrays: readonly ArrayStatus[]): [string, ArrayStatus[]][] {
  const found = new Map<string, ArrayStatus[]>();
  for (const each of arrays) found.set(addressOf(each.label), [...(found.get(addressOf(each.label)) ?? []), each]);
  return [...found];
}

function silentItem(address: string, arrays: readonly ArrayStatus[]): Html {
  const names = arrays.map(({ backend, side }) => `${side} array of backend ${backend}`).join(', ');
  const [first] = arrays;
  const why = first?.problem?.replace(first.label, '').replace(/^[: ]+/, '') ?? 'it does not say why';
  return html`<li><b>${address}</b> (${names}) does not answer: ${why}</li>`;
}

const staleItem = ({ name, node, side, group }: VolumeStatus): Html =>
  html`<li>
    <b>Volume ${name}</b> is writing to the stale copy: ${node} still has it from the ${side} array, which no longer
    serves group ${group}. Stop its containers there now, and start them again.
  </li>`;

const movedItem = ({ name, node, apart }: VolumeStatus): Html =>
  html`<li>
    <b>Volume ${name}</b> on ${node}: ${describeApart(apart)}. Stop its containers there now, and start them again;
    before that copy is overwritten see whether it has what is missing.
  </li>`;

function groupItem(group: GroupStatus): Html {
  const { report, active, notProven, why } = group;
  const { name, sides } = report;
  if (active === null) {
    return html`<li>
      <b>Group ${name}</b>: no array is proven to hold the live copy (${notProven}). Its volumes cannot be mounted now.
      If an array is lost for longer, see what a failover would cost: ${plan(group, 'failover')}
    </li>`;
  }
  if (isFailedOver(group)) return html`<li>${awayText(group, 'without protection')}</li>`;
  const canStart = isStopped(sides[active]) && sides[otherSide(active)].view.answer === 'group';
  return html`<li>
    <b>Group ${name}</b> is served by the ${active} array, and is not protected: ${why}.
    ${
      canStart
        ? html`When the link is up, type on that array: <code>startrcopygroup ${sides[active].group}</code>`
        : 'It is protected again when both arrays answer and every volume is synced.'
    }
  </li>`;
}

const isStopped = ({ view }: GroupSide): boolean => view.answer === 'group' && view.state === 'stopped';

const awayText = (group: GroupStatus, how: string): Html =>
  html`<b>Group ${group.report.name}</b> was failed over; the ${group.active ?? ''} array serves it, ${how}. When both
    arrays are well, bring it home: ${plan(group, 'failback')}`;

const plan = ({ report: { name, backend } }: GroupStatus, way: 'failover' | 'failback'): Html =>
  html`<code>hpe-volume-plugin ${way} plan ${name} --backend ${backend}</code>`;
