import { SIDES, type GroupReport, type GroupSide } from '../domain/group-report.js';
import { otherSide, roleWord, type Side } from '../domain/replication.js';
import type { ArrayStatus, GroupStatus, StatusReport, VolumeStatus } from '../driver/status-report.js';
import { html, type Html } from './html.js';
import { clock } from './clock.js';
import { addressOf, isMisled, isStale } from './page-advice.js';

export function arraysOf({ arrays, groups }: StatusReport): Html {
  const backends = [...new Set(arrays.map(({ backend }) => backend))];
  return html`<section>
    <h2>Arrays</h2>
    ${backends.map((backend) => {
      const pair = arrays.filter((each) => each.backend === backend);
      const [one, other] = pair.map((each) => arrayOf(each));
      const link = other === undefined ? undefined : linkOf(groups.filter(({ report }) => report.backend === backend));
      return html`<div class="pair">
        <h3>${backend}</h3>
        ${one}${link}${other}
      </div>`;
    })}
  </section>`;
}

function arrayOf({ side, reachable, name, osVersion, sessions, label }: ArrayStatus): Html {
  const words = reachable ? `answers · ${osVersion ?? '?'} · sessions: ${sessions ?? '?'}` : 'does not answer';
  return html`<div class="array ${reachable ? 'good' : 'bad'}">
    <b>${name === undefined ? `${side} array` : `${name}, ${side}`}</b>
    <span>${words}</span>
    <small>${addressOf(label)}</small>
  </div>`;
}

/** As the arrays see it that answer for a group. */
function linkOf(groups: readonly GroupStatus[]): Html {
  const said = groups.flatMap(({ report }) =>
    SIDES.flatMap((side) => {
      const { view } = report.sides[side];
      return view.answer === 'group' && view.linksUp !== undefined ? [view.linksUp] : [];
    }),
  );
  if (said.length === 0) return html`<div class="link unknown">link: not known</div>`;
  return said.every(Boolean)
    ? html`<div class="link good">⇄ link up</div>`
    : html`<div class="link bad">✕ link down</div>`;
}

const GROUP_COLUMNS = ['Group', 'Direction', 'Protected', 'Last sync', 'Primary array says', 'Secondary array says'];

export function groupsOf({ groups }: StatusReport): Html {
  const rows = groups.map((group) => {
    const { report, lastSyncAgeSeconds: age } = group;
    return [
      html`${report.name}<small>${report.backend}, ${report.mode}</small>`,
      directionOf(group),
      html`<span class="${group.protected ? 'good' : 'bad'}"
        >${group.protected ? 'yes' : 'NO'}${report.since === undefined ? undefined : ` since ${clock(report.since)}`}<small
          >${group.why}</small
        ></span
      >`,
      html`${age === undefined ? '–' : `${duration(age)} ago`}`,
      sayingOf(report, 'primary'),
      sayingOf(report, 'secondary'),
    ];
  });
  return tableOf('Groups', GROUP_COLUMNS, rows);
}

function directionOf({ active, row, report }: GroupStatus): Html {
  if (active === null) return html`<span class="bad">no proven side</span><small>row ${row}</small>`;
  const { view } = report.sides[active];
  const isSending = view.answer === 'group' && view.state === 'started';
  if (isSending) return html`<b class="arrow">${active} → ${otherSide(active)}</b>`;
  return html`<b>${active} only</b><small>nothing is sent to the ${otherSide(active)} array</small>`;
}

function sayingOf({ sides, volumes }: GroupReport, side: Side): Html {
  const { view } = sides[side];
  if (view.answer === 'silent') return html`<span class="bad">silent</span>${lastSeenIn(sides[side])}`;
  if (view.answer === 'mismatch') return html`<span class="bad">${view.what}</span>`;
  const nameOf = (arrayName: string): string => volumes.find((each) => each.arrayName === arrayName)?.name ?? arrayName;
  const lagging = view.lagging.map(({ volume, status }) => `${nameOf(volume)} is ${status}`).join(', ');
  return html`${roleWord(view.role, view.reversed)}, ${view.state}<small
      >${lagging === '' ? 'all synced' : lagging}</small
    >`;
}

function lastSeenIn({ lastSeen }: GroupSide): Html | undefined {
  if (lastSeen === undefined) return undefined;
  return html`<small
    >last answered ${clock(lastSeen.at)}, ${lastSeen.isProtected ? 'protected' : 'NOT protected'} then
    (${lastSeen.why})</small
  >`;
}

/** A page with all of a hundred thousand would be made and sent every 5 seconds. */
const MOST_VOLUMES = 500;

/** What is in trouble first, then what is mounted. */
function shownOf(report: StatusReport): VolumeStatus[] {
  if (report.volumes.length <= MOST_VOLUMES) return report.volumes;
  const rank = (volume: VolumeStatus): number =>
    isMisled(volume, report) ? 0 : volume.state !== 'ready' ? 1 : volume.node === undefined ? 3 : 2;
  const ranked = report.volumes.map((volume) => ({ volume, rank: rank(volume) }));
  return ranked
    .toSorted((one, other) => one.rank - other.rank)
    .slice(0, MOST_VOLUMES)
    .map(({ volume }) => volume);
}

export function volumesOf(report: StatusReport): Html {
  const shown = shownOf(report);
  const rows = shown.map((volume) => [
    html`${volume.name}${volume.state === 'ready' ? undefined : html`<small>${volume.state}</small>`}`,
    html`${volume.sizeGiB} GiB`,
    html`${volume.group ?? '–'}<small>${volume.backend}</small>`,
    html`${volume.node === undefined ? '–' : `${volume.node}, from ${volume.bothArrays === true ? 'both arrays' : `the ${volume.side ?? '?'} array`}`}${
      isStale(volume, report) ? html`<b class="bad">writing to the stale copy</b>` : undefined
    }${volume.apart?.moved === true ? html`<b class="bad">its data have moved under it</b>` : undefined}`,
  ]);
  const all = report.volumes.length;
  const title =
    shown.length === all ? `Volumes (${all})` : `Volumes (${shown.length} of ${all}; all: hpe-volume-plugin status)`;
  return tableOf(title, ['Volume', 'Size', 'Group', 'Mounted on'], rows);
}

/** On a phone each row becomes a block, and its cells name their columns themselves. */
function tableOf(title: string, columns: readonly string[], rows: readonly (readonly Html[])[]): Html {
  if (rows.length === 0)
    return html`<section>
      <h2>${title}</h2>
      <p>none</p>
    </section>`;
  const cell = (content: Html, at: number): Html =>
    at === 0 ? html`<th scope="row">${content}</th>` : html`<td data-column="${columns[at]}">${content}</td>`;
  return html`<section>
    <h2>${title}</h2>
    <table>
      <thead>
        <tr>
          ${columns.map((each) => html`<th scope="col">${each}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((content, at) => cell(content, at))}
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
