import type { GroupStatus, StatusReport } from '../driver/status-report.js';
import { clock } from './clock.js';
import { html, type Html } from './html.js';
import { adviceOf, isMisled } from './page-advice.js';
import { arraysOf, groupsOf, volumesOf } from './page-tables.js';
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
  const counts = [
    [report.arrays.filter((each) => !each.reachable).length, 'silent'],
    [unprotected(report).length, 'unprotected'],
    [report.volumes.filter((each) => isMisled(each, report)).length, 'on a wrong copy'],
    [report.operations.filter((each) => each.error !== undefined).length, 'failed'],
  ] as const;
  const bad = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return bad.length === 0 ? `all well · ${report.node}` : bad.join(', ');
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
    ${adviceOf(report)} ${arraysOf(report)} ${groupsOf(report)} ${volumesOf(report)} ${unfinished(report)}`;
}

function unfinished({ operations, runs = [], leftOvers }: StatusReport): Html {
  return html`<section>
    <h2>Not finished</h2>
    ${operations.length + runs.length + leftOvers.length === 0 ? html`<p>nothing</p>` : undefined}
    <ul>
      ${runs.map(
        ({ goal, group, nodeName, by, startedAt }) =>
          html`<li class="busy">
            <b>${goal}</b> of group ${group} is run on node ${nodeName} by ${by}, since ${clock(startedAt)}
          </li>`,
      )}
      ${operations.map(
        ({ volume, kind, phase, startedAt, error }) =>
          html`<li class="${error === undefined ? 'busy' : 'bad'}">
            <b>${kind}</b> of ${volume} (${phase === 'undo' ? 'being undone' : 'under way'}, since
            ${clock(startedAt)})<small>${error}</small>
          </li>`,
      )}
      ${leftOvers.map((each) => html`<li>${each}</li>`)}
    </ul>
  </section>`;
}
