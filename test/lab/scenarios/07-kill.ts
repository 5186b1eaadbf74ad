import type { NamedStrike } from '../../daemon-process.js';
import { expect } from '../inside/checks.js';
import type { Site } from '../inside/site.js';
import { openKillStage, type KillStage, type Way } from './kill-stage.js';
import type { Scenario, ScenarioOptions } from './scenario.js';

const MINUTE_MS = 60_000;
/** Of each verb, unless all are wanted. */
const USUAL_PLACES = 5;
/** Each costs the time to converge; so many tell enough. */
const MAX_FINDINGS = 6;

const VERBS = {
  Mount: { from: 'unmounted', to: 'mounted', decisive: /^metadata .*del operation\/v/ },
  Unmount: { from: 'mounted', to: 'unmounted', decisive: /^file rename mounts\/v\.json/ },
} as const satisfies Record<string, Way>;
type Verb = keyof typeof VERBS;

interface Place extends Pick<NamedStrike, 'call' | 'when'> {
  verb: Verb;
  /** Nobody asks for anything until the daemon has recovered; else a container is started again at once. */
  isLeftAlone: boolean;
}

export const kill: Scenario = {
  name: 'kill',
  title: 'kill -9 at the outward calls of Mount and Unmount: converges, nothing is left',
  conf: { mode: 'synchronous', protocol: 'iscsi' },
  timeoutMs: 12 * MINUTE_MS,
  fullTimeoutMs: 180 * MINUTE_MS,
  run: killEverywhere,
};

async function killEverywhere(site: Site, { full }: ScenarioOptions): Promise<void> {
  const stage = await openKillStage(site);
  const all = { Mount: await rehearse(stage, 'Mount'), Unmount: await rehearse(stage, 'Unmount') };
  const count = Math.max(all.Mount.length, all.Unmount.length);
  const stride = full ? 1 : Math.ceil(count / USUAL_PLACES);
  let struck = 0;
  const findings: string[] = [];
  for (let at = full ? 0 : Math.floor(stride / 2); at < count && findings.length < MAX_FINDINGS; at += stride) {
    for (const verb of ['Mount', 'Unmount'] as const) {
      const place = all[verb][at];
      if (place === undefined) await stage.go(VERBS[verb].to);
      else if (await strikeAt(stage, place, findings)) struck += 1;
    }
  }
  site.note(`${struck} of ${all.Mount.length + all.Unmount.length} places struck`);
  await stage.close();
  expect(findings.length === 0, findings.join('\n'));
}

/** The verb without a crash, right after a start of the daemon: its places. */
async function rehearse(stage: KillStage, verb: Verb): Promise<Place[]> {
  const { decisive } = VERBS[verb];
  const calls = await stage.rehearse(VERBS[verb]);
  expect(
    calls.some(({ label }) => decisive.test(label)),
    `no call of ${verb} is ${decisive}`,
  );
  console.log(calls.map(({ label }, i) => `    ${verb} #${i + 1} ${label}`).join('\n'));
  const places = calls.flatMap(({ name }, i) => {
    const nth = calls.slice(0, i + 1).filter((each) => each.name === name).length;
    return placesOf(name).map((when) => ({ verb, call: { name, nth }, when }));
  });
  // Tools first: everything else is struck without a SAN, too (`test/crash`).
  const isTool = ({ call }: Pick<Place, 'call'>): boolean => call.name.startsWith('tool');
  const sorted = [...places.filter(isTool), ...places.filter((each) => !isTool(each))];
  return sorted.map((place, i) => ({ ...place, isLeftAlone: i % 4 === 0 || i % 4 === 3 }));
}

/** After a call is before the next one. A tool goes on when the daemon is gone. */
function placesOf(name: string): NamedStrike['when'][] {
  return name.startsWith('tool') ? ['before', 'during'] : ['before'];
}

/** False when the verb was over before that call. Ends where the verb leads to. */
async function strikeAt(stage: KillStage, place: Place, findings: string[]): Promise<boolean> {
  const way = VERBS[place.verb];
  const { to } = way;
  const start = performance.now();
  const struck = await stage.strike(to, place);
  if (struck === undefined) {
    console.log(`  ${place.verb} was over: no ${place.when} ${place.call.name}`);
    return false;
  }
  const { isLeftAlone, verb } = place;
  const name = `${verb}, killed ${struck.when} #${struck.number} ${struck.calls[struck.number - 1]?.label}`;
  const what: string[] = [];
  try {
    if (isLeftAlone) await stage.settle(way, struck);
    await stage.go('mounted');
    await stage.go(to);
  } catch (error) {
    what.push(error instanceof Error ? error.message : String(error), ...(await stage.daemon.warnings()));
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `  ${name}, ${isLeftAlone ? 'left alone' : 'asked again'} (${seconds} s)${what.length > 0 ? ': FAILED' : ''}`,
  );
  if (what.length === 0) return true;
  findings.push([name, ...what].join('\n    '));
  console.log(findings.at(-1));
  await stage.recover(to);
  return true;
}
