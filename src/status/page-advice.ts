import { describeApart } from '../domain/attachment.js';
import type { GroupSide } from '../domain/group-report.js';
import { otherSide } from '../domain/replication.js';
import type { ArrayStatus, GroupStatus, StatusReport, VolumeStatus } from '../driver/status-report.js';
import { html, type Html } from './html.js';

/** What to do, first of all. */
export function adviceOf(report: StatusReport): Html {
  const silent = report.arrays.filter((each) => !each.reachable);
  const stale = report.volumes.filter((each) => isStale(each, report));
  const moved = report.volumes.filter((each) => each.apart?.moved === true);
  const bad = report.groups.filter((group) => !group.protected);
  const away = report.groups.filter((group) => group.protected && isFailedOver(group));
  const items = [
    ...byAddress(silent).map(([address, each]) => silentItem(address, each)),
    ...stale.map((volume) => staleItem(volume)),
    ...moved.map((volume) => movedItem(volume)),
    ...bad.map((group) => groupItem(group)),
    ...away.map((group) => html`<li>${awayText(group, 'and is protected again')}</li>`),
  ];
  if (items.length === 0) return html`<p class="good banner">Every array answers, every group is protected.</p>`;
  return html`<section
    class="${silent.length + stale.length + moved.length + bad.length > 0 ? 'bad' : 'busy'} banner"
    id="advice"
  >
    <h2>What to do now</h2>
    <ul>
      ${items}
    </ul>
  </section>`;
}

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
  const why = first?.problem?.replace(`${first.label} `, '') ?? 'it does not say why';
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
