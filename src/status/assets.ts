/** For phones first; dark where the reader wants it. */
export const CSS = `
:root { color-scheme: light dark; --good: #146c2e; --bad: #b3261e; --line: #8886; --soft: #8881; }
@media (prefers-color-scheme: dark) { :root { --good: #6dd58c; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: .75rem; font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: .25rem 0; } h2 { font-size: 1.1rem; margin: 1.25rem 0 .5rem; } h3 { font-size: 1rem; margin: 0; width: 100%; }
small { font-size: .8rem; font-weight: normal; opacity: .8; display: block; } h1 small, h2 small { display: inline; }
.when { margin: 0; opacity: .8; }
.good { color: var(--good); } .bad { color: var(--bad); }
.banner { border: 2px solid; border-radius: .5rem; padding: .5rem .75rem; margin: .75rem 0; font-weight: 600; }
.banner h2 { margin: 0; } .banner ul { margin: .25rem 0; padding-left: 1.2rem; font-weight: normal; } .banner li { color: CanvasText; margin: .4rem 0; }
.pair { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-bottom: .75rem; }
.array { border: 2px solid; border-radius: .5rem; padding: .5rem .75rem; flex: 1 1 14rem; overflow-wrap: anywhere; }
.array b, .array small { color: CanvasText; } .array b { margin-right: .4rem; }
.link { flex: 0 0 auto; font-weight: 600; padding: 0 .25rem; } .unknown { opacity: .7; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
thead th { font-size: .8rem; opacity: .8; white-space: nowrap; } tbody th { font-weight: 600; }
b.bad { display: block; } .arrow { white-space: nowrap; } .busy { color: #8a5a00; }
@media (prefers-color-scheme: dark) { .busy { color: #ffcf70; } }
@media (max-width: 40rem) {
  .pair { flex-direction: column; align-items: stretch; } .array { flex: none; } .link { text-align: center; }
  thead { display: none; } tr { display: block; border-bottom: 1px solid var(--line); padding: .4rem 0; }
  th, td { display: block; border: 0; padding: .1rem 0; } td { padding-left: 8.5rem; position: relative; min-height: 1.5rem; }
  td::before { content: attr(data-column); position: absolute; left: 0; width: 8rem; font-size: .8rem; opacity: .8; }
}
code { display: block; width: fit-content; margin: .2rem 0; background: var(--soft); border-radius: .25rem; padding: .1rem .3rem; overflow-wrap: anywhere; }
footer { margin-top: 1.5rem; font-size: .85rem; } ul { padding-left: 1.2rem; } .lost { position: fixed; inset: 0 0 auto 0; padding: .5rem .75rem; background: #b3261e; color: #fff; font-weight: 600; font-size: 1rem; }
`;

/** Brings the newest status every 5 seconds; says so when the daemon does not answer. */
export const SCRIPT = `
'use strict';
const status = document.getElementById('status');
const link = document.getElementById('link');
async function update() {
  try {
    const answer = await fetch('/fragment', { cache: 'no-store', signal: AbortSignal.timeout(30000) });
    if (!answer.ok) throw new Error(String(answer.status));
    status.innerHTML = await answer.text();
    document.title = decodeURIComponent(answer.headers.get('x-title') ?? '');
    link.className = '';
    link.textContent = 'updates every 5 seconds';
  } catch {
    link.className = 'lost';
    link.textContent = 'The daemon does not answer: what is shown is old.';
    document.title = 'daemon silent';
  }
  setTimeout(update, 5000);
}
setTimeout(update, 5000);
`;
