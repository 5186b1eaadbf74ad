import { setTimeout as pause } from 'node:timers/promises';
import { DriverError } from '../domain/errors.js';
import { CommandError, isMissingTool, type Run } from './run.js';
import { PRODUCT, VENDOR } from './scsi-identity.js';

const TIMEOUT_MS = 10_000;
const SECOND_LOOK_MS = 1_000;
/** What the devices and WWIDs of an array look like to a blacklist; the first disks are often the host's own, and listed with reason. */
const SAMPLE_NODE = 'sdx';
const SAMPLE_WWID = '360002ac0000000000000000100000001';

/** One `name { … }` of multipath.conf. */
export interface ConfSection {
  name: string;
  values: { key: string; value: string }[];
  sections: ConfSection[];
}

interface Problem {
  what: string;
  next: string;
}

/** @throws `refused` when there is nobody who would make a map and look after its paths */
export async function proveMultipathdRuns(run: Run, signal: AbortSignal): Promise<void> {
  if ((await findDaemonProblem(run, signal)) === undefined) return;
  // It does not answer in time while it has much to do.
  await pause(SECOND_LOOK_MS, undefined, { signal });
  const problem = await findDaemonProblem(run, signal);
  if (problem === undefined) return;
  throw new DriverError('refused', `${problem.what}, and without it no volume may be attached`, { next: problem.next });
}

async function findDaemonProblem(run: Run, signal: AbortSignal): Promise<Problem | undefined> {
  try {
    await run('multipathd', ['show', 'daemon'], { timeoutMs: TIMEOUT_MS, signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
    return isMissingTool(error)
      ? {
          what: 'multipathd is not installed',
          next: 'install multipath-tools (device-mapper-multipath), or set use_multipath = false in hpe.conf',
        }
      : { what: `multipathd does not answer (${error.message})`, next: 'systemctl enable --now multipathd' };
  }
}

/**
 * What of the host's multipath configuration is wrong or unwise for volumes of a 3PAR array, each with the way to mend it. `movesBetweenArrays`: with
 * peer persistence the same map follows a volume from one array to the other.
 */
export async function findMultipathProblems(
  run: Run,
  { movesBetweenArrays }: { movesBetweenArrays: boolean },
  signal: AbortSignal,
): Promise<string[]> {
  const problem = await findDaemonProblem(run, signal);
  if (problem !== undefined) return [`${problem.what}; next: ${problem.next}`];
  try {
    const { stdout } = await run('multipathd', ['show', 'config'], { timeoutMs: TIMEOUT_MS, signal });
    const root = parseMultipathConf(stdout);
    return [...judgeMultipathConf(root), ...(movesBetweenArrays ? judgeMoves(root) : [])];
  } catch (error) {
    if (!(error instanceof CommandError) || signal.aborted) throw error;
    return [`the configuration of multipathd cannot be read (${error.message}); next: multipathd show config`];
  }
}

/** The output of `multipathd show config`; what has no value or no end is left out. */
export function parseMultipathConf(text: string): ConfSection {
  const root: ConfSection = { name: '', values: [], sections: [] };
  const open = [root];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const current = open.at(-1) ?? root;
    const start = /^(\S+)\s*\{$/.exec(line)?.[1];
    const pair = /^(\S+)\s+"?(.*?)"?$/.exec(line);
    if (start !== undefined) {
      const section = { name: start, values: [], sections: [] };
      current.sections.push(section);
      open.push(section);
    } else if (line === '}') {
      if (open.length > 1) open.pop();
    } else if (pair?.[1] !== undefined && pair[2] !== undefined) {
      current.values.push({ key: pair[1], value: pair[2] });
    }
  }
  return root;
}

export function judgeMultipathConf(root: ConfSection): string[] {
  return [...judgeFindMultipaths(root), ...judgeDevice(root), ...judgeBlacklist(root)];
}

/** With any other value a volume with a single path, or with a WWID that was never seen, gets no map. */
function judgeFindMultipaths(root: ConfSection): string[] {
  const value = valueOf(sectionsOf(root, 'defaults'), 'find_multipaths') ?? 'strict';
  if (['no', 'off', 'greedy'].includes(value)) return [];
  return [
    `find_multipaths is ${value}, so a new volume, or one with a single path, gets no map; next: set find_multipaths no in the defaults section of /etc/multipath.conf, then: multipathd reconfigure`,
  ];
}

/** Needed for peer persistence only, beside what all volumes need. */
export function judgeMoves(root: ConfSection): string[] {
  const order = inForce(root);
  if (order === undefined) return [];
  const problems: string[] = [];
  const handler = valueOf(order, 'hardware_handler') ?? 'unset';
  if (!/\balua$/.test(handler)) {
    problems.push(
      `hardware_handler is ${handler} for ${VENDOR} ${PRODUCT} instead of "1 alua", so that a volume with peer persistence does not follow a switchover; next: remove it from the overrides or device section of /etc/multipath.conf, then: multipathd reconfigure`,
    );
  }
  const retry = valueOf(order, 'no_path_retry') ?? 'unset';
  if (['fail', '0'].includes(retry)) {
    problems.push(
      `no_path_retry is ${retry} for ${VENDOR} ${PRODUCT}, so that containers get errors during an automatic failover; next: set no_path_retry 18 for it in /etc/multipath.conf, then: multipathd reconfigure`,
    );
  }
  return problems;
}

/** What says something about our devices, in the order in which it counts; undefined when no device section is for them. */
function inForce(root: ConfSection): ConfSection[] | undefined {
  const devices = sectionsOf(root, 'devices').flatMap((each) => sectionsOf(each, 'device'));
  const ours = devices.filter((each) => matchesArray(each));
  if (ours.length === 0) return undefined;
  return [...sectionsOf(root, 'overrides'), ...ours.toReversed(), ...sectionsOf(root, 'defaults')];
}

function judgeDevice(root: ConfSection): string[] {
  const order = inForce(root);
  if (order === undefined) {
    return [
      `multipathd knows no device ${VENDOR} ${PRODUCT}; next: update multipath-tools, or add the device section of HPE's 3PAR Linux guide to /etc/multipath.conf`,
    ];
  }
  const problems: string[] = [];
  for (const [key, wanted] of [
    ['path_grouping_policy', 'group_by_prio'],
    ['prio', 'alua'],
    ['failback', 'immediate'],
  ] as const) {
    const value = valueOf(order, key);
    if (value === wanted) continue;
    problems.push(
      `${key} is ${value ?? 'unset'} for ${VENDOR} ${PRODUCT} instead of ${wanted}; next: remove it from the overrides or device section of /etc/multipath.conf, then: multipathd reconfigure`,
    );
  }
  if (waitsForEver(order)) {
    problems.push(
      `a volume without any path waits for ever (no_path_retry queue, or queue_if_no_path); next: set no_path_retry 18 for ${VENDOR} ${PRODUCT} in /etc/multipath.conf, then: multipathd reconfigure`,
    );
  }
  return problems;
}

function waitsForEver(order: ConfSection[]): boolean {
  const retry = valueOf(order, 'no_path_retry');
  return retry === undefined ? (valueOf(order, 'features') ?? '').includes('queue_if_no_path') : retry === 'queue';
}

function judgeBlacklist(root: ConfSection): string[] {
  if (!isListed(sectionsOf(root, 'blacklist')) || isListed(sectionsOf(root, 'blacklist_exceptions'))) return [];
  return [
    `the blacklist of multipathd covers the volumes of a 3PAR array; next: look at the blacklist section of: multipathd show config`,
  ];
}

/** Whether a blacklist, or its exceptions, names our devices in any way. */
function isListed(lists: ConfSection[]): boolean {
  return lists.some(
    (list) =>
      list.values.some(
        ({ key, value }) =>
          (key === 'devnode' && matches(value, SAMPLE_NODE)) || (key === 'wwid' && matches(value, SAMPLE_WWID)),
      ) || sectionsOf(list, 'device').some((each) => matchesArray(each)),
  );
}

function matchesArray(device: ConfSection): boolean {
  const [vendor, product] = [valueOf([device], 'vendor'), valueOf([device], 'product')];
  if (vendor === undefined && product === undefined) return false;
  return matches(vendor ?? '', VENDOR) && matches(product ?? '', PRODUCT);
}

/** As multipath does: an extended regular expression, reversed by a `!` in front. */
function matches(pattern: string, text: string): boolean {
  const isReversed = pattern.startsWith('!');
  try {
    return new RegExp(isReversed ? pattern.slice(1) : pattern).test(text) !== isReversed;
  } catch {
    return false;
  }
}

const sectionsOf = (parent: ConfSection, name: string): ConfSection[] =>
  parent.sections.filter((each) => each.name === name);

/** The first section that says something decides; within one, the last line does. */
function valueOf(sections: ConfSection[], key: string): string | undefined {
  for (const section of sections) {
    const found = section.values.findLast((each) => each.key === key);
    if (found !== undefined) return found.value;
  }
  return undefined;
}
