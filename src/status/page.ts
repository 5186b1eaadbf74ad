import { otherSide, roleWord, type Side } from '../domain/replication.js';
import { SIDES, type GroupSide } from '../domain/group-report.js';
import type { ArrayStatus, GroupStatus, StatusReport } from '../driver/status-report.js';
import { Html, html } from './html.js';
import type { Seen } from './snapshot.js';

/** The whole page. */
export const page = (seen: Seen): string =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${titleOf(seen)}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="/page.css" />
        <script src="/page.js" defer></script>
      </head>
      <body>
        <main id="status" aria-live="polite">${bodyOf(seen)}</main>
        <footer>
          Read-only. <a href="/status.json">status.json</a> · <a href="/metrics">metrics</a> ·
          <span id="link">updates every 5 seconds</span>
        </footer>
      </body>
    </html>`.text;

/** What is inside `main`; the script replaces it. */
export const fragment = (seen: Seen): string => bodyOf(seen).text;

const unprotected = (report: StatusReport): GroupStatus[] => report.groups.filter((group) => !group.protected);

export function titleOf({ report, problem }: Seen): string {
  if (report === undefined || problem !== undefined) return 'status unknown';
  const [silent, bare] = [report.arrays.filter((each) => !each.reachable).length, unprotected(report).length];
  if (silent + bare === 0) return `all well · ${report.node}`;
  return [silent === 0 ? '' : `${silent} silent`, bare === 0 ? '' : `${bare} unprotected`]
    .filter((each) => each !== '')
    .join(', ');
}

function bodyOf({ report, ageSeconds, problem }: Seen): Html {
  if (report === undefined) {
    return html`<h1>HPE 3PAR volumes</h1>
      <p class="bad banner">The status cannot be made: ${problem ?? 'not yet'}</p>`;
  }
  return html`<h1>HPE 3PAR volumes <small>on ${report.node}</small></h1>
    <p class="when">
      As of <time datetime="${report.at}">${report.at.replace(/\.\d+Z$/, 'Z').replace('T', ' ')}</time>, ${ageSeconds} s
      ago; metadata in ${report.metadata === 'etcd' ? 'etcd' : 'this host alone'}
    </p>
    ${problem === undefined ? undefined : html`<p class="bad banner">This is no longer current: ${problem}</p>`}
    ${disaster(report)} ${arraysOf(report)} ${groupsOf(report)} ${volumesOf(report)} ${unfinished(report)}`;
}

/** What to do, first of all. */
function disaster(report: StatusReport): Html {
  const steps = unprotected(report).map((group) => html`<li>${adviceOf(group)}</li>`);
  const silent = report.arrays.filter((each) => !each.reachable);
  if (steps.length + silent.length === 0)
    return html`<p class="good banner">Every array answers, every group is protected.</p>`;
  return html`<section class="bad banner" id="advice">
    <h2>What to do now</h2>
    <ul>
      ${silent.map((each) => html`<li><b>${each.label}</b> does not answer: ${withoutLabel(each)}</li>`)} ${steps}
    </ul>
  </section>`;
}

const withoutLabel = ({ problem = '', label }: ArrayStatus): string => problem.replace(`${label} `, '');

function adviceOf({ report, active, notProven, why }: GroupStatus): Html {
  const { name, backend } = report;
  const plan = (way: 'failover' | 'failback'): Html =>
    html`<code>hpe-volume-plugin ${way} plan ${name} --backend ${backend}</code>`;
  if (active === null) {
    return html`<b>Group ${name}</b>: no array is proven to hold the live copy (${notProven}). Its volumes can not be
      mounted now. Is one array lost for longer? See what a failover would cost: ${plan('failover')}`;
  }
  const view = report.sides[active].view;
  if (view.answer === 'group' && view.reversed) {
    return html`<b>Group ${name}</b> was failed over; the ${active} array serves it, without protection. When both
      arrays are well: ${plan('failback')}`;
  }
  return html`<b>Group ${name}</b> is served by the ${active} array, and is not protected: ${why}. Look at it with
    ${plan('failover')}`;
}

function arraysOf({ arrays, groups }: StatusReport): Html {
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

const arrayOf = ({ side, reachable, name, osVersion, sessions, label }: ArrayStatus): Html =>
  html`<div class="array ${reachable ? 'good' : 'bad'}">
    <b>${name ?? side}</b> <span>${side}</span>
    <span>${reachable ? `answers · ${osVersion ?? '?'} · ${sessions ?? '?'} sessions` : 'does not answer'}</span>
    <small>${/\((\S+)\)/.exec(label)?.[1]}</small>
  </div>`;

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

function groupsOf({ groups }: StatusReport): Html {
  if (groups.length === 0)
    return html`<section>
      <h2>Groups</h2>
      <p>none</p>
    </section>`;
  return html`<section>
    <h2>Groups</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Group</th>
            <th>Direction</th>
            <th>Protected</th>
            <th>Last sync</th>
            <th>Primary array says</th>
            <th>Secondary array says</th>
          </tr>
        </thead>
        <tbody>
          ${groups.map(
            (group) =>
              html`<tr>
                <th scope="row">${group.report.name}<small>${group.report.backend}, ${group.report.mode}</small></th>
                <td>${directionOf(group)}</td>
                <td class="${group.protected ? 'good' : 'bad'}">
                  ${group.protected ? 'yes' : 'NO'}<small>${group.why}</small>
                </td>
                <td>${group.lastSyncAgeSeconds === undefined ? '–' : `${duration(group.lastSyncAgeSeconds)} ago`}</td>
                <td>${sayingOf(group.report.sides.primary)}</td>
                <td>${sayingOf(group.report.sides.secondary)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function directionOf({ active, row }: GroupStatus): Html {
  if (active === null) return html`<span class="bad">no proven side</span><small>row ${row}</small>`;
  return html`<span class="arrow">${active} → ${otherSide(active)}</span>`;
}

function sayingOf({ view }: GroupSide): Html {
  if (view.answer === 'silent') return html`<span class="bad">silent</span>`;
  if (view.answer === 'mismatch') return html`<span class="bad">${view.what}</span>`;
  const lagging =
    view.lagging.length === 0
      ? 'all synced'
      : view.lagging.map(({ volume, status }) => `${volume} ${status}`).join(', ');
  return html`${roleWord(view.role, view.reversed)}, ${view.state}<small>${lagging}</small>`;
}

function volumesOf({ volumes, groups }: StatusReport): Html {
  if (volumes.length === 0)
    return html`<section>
      <h2>Volumes</h2>
      <p>none</p>
    </section>`;
  const activeOf = (group: string | undefined, backend: string): Side | null | undefined =>
    groups.find(({ report }) => report.name === group && report.backend === backend)?.active;
  return html`<section>
    <h2>Volumes <small>${volumes.length}</small></h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Volume</th>
            <th>Size</th>
            <th>Group</th>
            <th>Mounted on</th>
          </tr>
        </thead>
        <tbody>
          ${volumes.map((volume) => {
            const active = activeOf(volume.group, volume.backend);
            const isStale =
              volume.side !== undefined && active !== null && active !== undefined && active !== volume.side;
            return html`<tr>
              <th scope="row">
                ${volume.name}${volume.state === 'ready' ? undefined : html`<small>${volume.state}</small>`}
              </th>
              <td>${volume.sizeGiB} GiB</td>
              <td>${volume.group ?? '–'}<small>${volume.backend}</small></td>
              <td>
                ${volume.node === undefined ? '–' : `${volume.node}, from the ${volume.side ?? '?'} array`}${isStale ? html`<b class="bad">writing to the stale copy</b>` : undefined}
              </td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  </section>`;
}

function unfinished({ operations, leftOvers }: StatusReport): Html {
  return html`<section>
    <h2>Not finished</h2>
    ${operations.length + leftOvers.length === 0 ? html`<p>nothing</p>` : undefined}
    <ul>
      ${operations.map(
        ({ volume, kind, phase, startedAt, error }) =>
          html`<li class="${error === undefined ? 'busy' : 'bad'}">
            <b>${kind}</b> of ${volume} (${phase === 'undo' ? 'being undone' : 'under way'}, since ${startedAt})<small
              >${error}</small
            >
          </li>`,
      )}
      ${leftOvers.map((each) => html`<li>${each}</li>`)}
    </ul>
  </section>`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
