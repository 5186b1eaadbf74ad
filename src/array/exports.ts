import type { Export, ExportTo, Target, Vlun } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { ArrayRefusal } from './codes.js';
import type { Hosts } from './hosts.js';
import { LunChoice } from './lun-choice.js';
import { makeSo } from './make-so.js';
import { safeName } from './paths.js';
import type { Ports, TargetPort } from './ports.js';
import { parsePort } from './schemas.js';
import { together } from '../domain/together.js';
import type { Vluns } from './vluns.js';
import type { Wsapi } from './wsapi.js';

/** Numbers of reference 2.2. */
const NON_EXISTENT_HOST = 17;
const EXISTENT_LUN = 18;
/** Of an HTTP answer; for a choice between two LUNs of which none is free the number is not published. */
const CONFLICT = 409;

/** How often the array chooses a LUN that turns out to be taken on another port. */
const MOST_CHOICES = 3;

interface Parts {
  wsapi: Wsapi;
  hosts: Hosts;
  ports: Ports;
  vluns: Vluns;
}

interface Wanted {
  volume: string;
  host: string;
  ports: TargetPort[];
  avoid: readonly number[];
}

/** What is shown on one LUN so far. */
interface Begun {
  lun: number;
  /** This call has made it, as the array said, or is about to. */
  isNew: boolean;
  /** All templates of the volume to the host that are known. */
  templates: Vlun[];
}

/**
 * Exports a volume to a host: one template for each of the array's ports (MATCHED_SET), on the same LUN. Where it is known what the
 * host has, a free LUN is asked for on all ports at once; else the array chooses one on the first port, and ports come in a fixed
 * order, so two exports to one host seldom meet. A template without a port, as older releases and administrators make them, counts
 * for every port.
 */
export class Exports {
  readonly #wsapi: Wsapi;
  readonly #hosts: Hosts;
  readonly #ports: Ports;
  readonly #vluns: Vluns;
  readonly #luns = new LunChoice();

  constructor({ wsapi, hosts, ports, vluns }: Parts) {
    this.#wsapi = wsapi;
    this.#hosts = hosts;
    this.#ports = ports;
    this.#vluns = vluns;
  }

  /** Undefined when it is not shown on all ports. */
  async find(volume: string, host: string, signal: AbortSignal): Promise<Export | undefined> {
    const templates = await this.#vluns.findTemplates(volume, host, signal);
    if (templates.length === 0) return undefined;
    const ports = await this.#ports.forHost(await this.#hosts.pathsOf(host, signal), signal);
    const lun = fullestLun(templates, ports);
    return ports.every((port) => isShown(templates, lun, port)) ? { host, lun, targets: targetsOf(ports) } : undefined;
  }

  /** Asks what the host has, in time for the exports that follow. A failure only leaves the LUN to the array. */
  async lookAhead(host: string, signal: AbortSignal): Promise<void> {
    const at = performance.now();
    const exports = await this.#vluns.listTo(host, signal).catch(() => undefined);
    if (exports !== undefined) this.#luns.keep(host, { exports, at });
  }

  async ensure(volume: string, { host, avoid = [] }: ExportTo, signal: AbortSignal): Promise<Export> {
    const ports = await this.#ports.forHost(await this.#hosts.pathsOf(host, signal), signal);
    try {
      const lun = await this.#ensureOnAll({ volume, host, ports, avoid }, signal);
      return { host, lun, targets: targetsOf(ports) };
    } catch (thrown) {
      // It may be that one of the ports is gone.
      this.#ports.forget();
      throw thrown;
    }
  }

  /** Answers the LUN. */
  async #ensureOnAll(wanted: Wanted, signal: AbortSignal): Promise<number> {
    const { volume, host } = wanted;
    const avoid = new Set(wanted.avoid);
    // Nothing was exported to an entry that was just made.
    if (this.#hosts.takeFresh(host)) this.#luns.keep(host, { exports: [], at: performance.now() });
    const claim = this.#luns.begin(host, volume, avoid);
    let proposed = claim.lun;
    try {
      for (let choice = 1; ;) {
        const begun: Begun =
          proposed === undefined
            ? await this.#begin(wanted, avoid, signal)
            : { lun: proposed, isNew: true, templates: [] };
        claim.lun = begun.lun;
        try {
          return await this.#settle(wanted, begun, signal);
        } catch (thrown) {
          const isOver = proposed === undefined && choice === MOST_CHOICES;
          if (isOver || !begun.isNew || !isTaken(thrown, proposed)) throw thrown;
          await this.#removeLun(wanted, begun.lun, signal);
          if (proposed === undefined) choice += 1;
          else this.#luns.refuse(host, proposed);
          proposed = undefined;
          // What lies below was not free either, or the array had chosen it.
          for (let lun = 0; lun <= begun.lun; lun += 1) avoid.add(lun);
        }
      }
    } finally {
      this.#luns.end(claim);
    }
  }

  /** Exports on the first port. When that got no answer, or the array refused, what it shows is what there is to go on with. */
  async #begin({ volume, host, ports }: Wanted, avoid: ReadonlySet<number>, signal: AbortSignal): Promise<Begun> {
    const [port] = ports;
    if (port === undefined) throw new DriverError('internal', `no port to export ${volume} on`);
    const body = { volumeName: safeName(volume), hostname: safeName(host), portPos: parsePort(port.position) };
    let made: Vlun | undefined;
    const templates = await makeSo<Vlun[]>(
      {
        act: async () => {
          const location = await this.#postBeside(body, avoid, signal);
          const lun = lunOf(location);
          if (lun !== undefined) made = { volume, host, lun, active: false, port: port.position };
        },
        read: async () => (made === undefined ? this.#vluns.findTemplates(volume, host, signal) : [made]),
        isDone: (found) => found.length > 0,
        notDone: () => this.#notShown({ volume, host, ports: [port] }),
      },
      signal,
    );
    if (made !== undefined && avoid.has(made.lun)) {
      await this.#vluns.removeTemplates([made], signal);
      throw this.#choseTaken(made);
    }
    if (made !== undefined) return { lun: made.lun, isNew: true, templates };
    return { lun: fullestLun(templates, ports), isNew: false, templates };
  }

  /**
   * Exports on all other ports, of a proposed LUN on all, and reads back. The array exports a second time, on another LUN, where an
   * export was there already: then that one stays, for a device may hang on it, and the new one goes.
   */
  async #settle(wanted: Wanted, begun: Begun, signal: AbortSignal): Promise<number> {
    const found = await this.#complete(wanted, begun, signal);
    const earlier = found.filter(({ lun }) => lun !== begun.lun);
    if (!begun.isNew || earlier.length === 0) return begun.lun;
    await this.#vluns.removeTemplates(
      found.filter(({ lun }) => lun === begun.lun),
      signal,
    );
    const lun = fullestLun(earlier, wanted.ports);
    await this.#complete(wanted, { lun, isNew: false, templates: earlier }, signal);
    return lun;
  }

  /** Answers all templates of the volume to the host. */
  async #complete(wanted: Wanted, { lun, templates }: Begun, signal: AbortSignal): Promise<Vlun[]> {
    const { volume, host, ports } = wanted;
    const missing = ports.filter((port) => !isShown(templates, lun, port));
    const post = async ({ position }: TargetPort): Promise<unknown> =>
      this.#post({ volumeName: safeName(volume), hostname: safeName(host), portPos: parsePort(position), lun }, signal);
    return makeSo(
      {
        act: async () => together(missing.map(post)),
        read: async () => this.#vluns.findTemplates(volume, host, signal),
        isDone: (found) => ports.every((port) => isShown(found, lun, port)),
        notDone: () => this.#notShown(wanted),
      },
      signal,
    );
  }

  /** On the lowest LUN that the array has free and that is none of those. */
  async #postBeside(
    body: Record<string, unknown> & { hostname: string },
    avoid: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    for (const { from, to } of gapsOf(avoid)) {
      // Nothing but that LUN; as the upper end of a choice 0 means none (reference 5.2).
      const choice = to === 0 ? { lun: 0 } : { lun: from, autoLun: true, maxAutoLun: to ?? 0 };
      try {
        return await this.#post({ ...body, ...choice }, signal);
      } catch (thrown) {
        const isFull = to !== undefined && thrown instanceof ArrayRefusal && thrown.status === CONFLICT;
        if (!isFull) throw thrown;
      }
    }
    throw new DriverError('internal', 'the last gap has no end');
  }

  /** Sends one export; makes the host entry again when that has gone with its last export a moment ago. */
  async #post(body: Record<string, unknown> & { hostname: string }, signal: AbortSignal): Promise<string | undefined> {
    const change = { method: 'POST', path: 'vluns', body } as const;
    try {
      return await this.#wsapi.change(change, signal);
    } catch (thrown) {
      if (!(thrown instanceof ArrayRefusal)) throw thrown;
      if (thrown.number === NON_EXISTENT_HOST && (await this.#hosts.ensureAgain(body.hostname, signal))) {
        return this.#wsapi.change(change, signal);
      }
      throw isOtherDomain(thrown) ? explainDomains(thrown, body.hostname) : thrown;
    }
  }

  async #removeLun({ volume, host }: Wanted, lun: number, signal: AbortSignal): Promise<void> {
    const found = await this.#vluns.findTemplates(volume, host, signal);
    await this.#vluns.removeTemplates(
      found.filter((vlun) => vlun.lun === lun),
      signal,
    );
  }

  #choseTaken({ volume, host, lun }: Vlun): DriverError {
    return new DriverError(
      'refused',
      `${this.#wsapi.label} exported ${volume} to ${host} at LUN ${lun}, where the host still has a disk of an earlier volume, which could write into this one; the export was taken back`,
      { next: `stop what uses that disk (lsscsi shows it as …:${lun}), then try again` },
    );
  }

  #notShown({ volume, host, ports }: Omit<Wanted, 'avoid'>): DriverError {
    const where = ports.map(({ position }) => position).join(', ');
    return new DriverError(
      'unavailable',
      `${this.#wsapi.label} acknowledged the export of ${volume} to ${host}, but does not show it on each of its ports ${where}`,
      { next: `see the exports with: showvlun -v ${volume}` },
    );
  }
}

/** Another LUN may do: also where the array gives the proposed one to nobody of that persona (LUN_HOSTPERSONA_CONFLICT, reference 2.2). */
const isTaken = (thrown: unknown, proposed: number | undefined): boolean =>
  thrown instanceof ArrayRefusal &&
  (thrown.number === EXISTENT_LUN || (proposed !== undefined && thrown.status === CONFLICT));

/** What lies between the numbers, in order; the last one has no upper end. */
export function gapsOf(taken: ReadonlySet<number>): { from: number; to: number | undefined }[] {
  const gaps: { from: number; to: number | undefined }[] = [];
  let from = 0;
  for (const number of [...taken].toSorted((a, b) => a - b)) {
    if (number > from) gaps.push({ from, to: number - 1 });
    from = number + 1;
  }
  return [...gaps, { from, to: undefined }];
}

const targetsOf = (ports: TargetPort[]): Target[] =>
  ports.map(({ name, portal }) => (portal === undefined ? { name } : { name, portal }));

const isShown = (templates: Vlun[], lun: number, { position }: TargetPort): boolean =>
  templates.some((vlun) => vlun.lun === lun && (vlun.port === undefined || vlun.port === position));

/** The LUN that most ports show; the lowest of those. */
function fullestLun(templates: Vlun[], ports: TargetPort[]): number {
  const luns = [...new Set(templates.map(({ lun }) => lun))].toSorted((a, b) => a - b);
  const count = (lun: number): number => ports.filter((port) => isShown(templates, lun, port)).length;
  return luns.reduce((best, lun) => (count(lun) > count(best) ? lun : best));
}

/** From `…/vluns/<volume>,<lun>,<host>,<N:S:P>` (reference 5.2). */
function lunOf(location: string | undefined): number | undefined {
  const text = location?.split('/').at(-1)?.split(',')[1];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The array says this in words only (reference 2.1). */
const isOtherDomain = ({ status, message }: ArrayRefusal): boolean =>
  status === 400 && message.includes('must be in the same domain');

function explainDomains(refusal: ArrayRefusal, host: string): DriverError {
  return new DriverError(
    'refused',
    `host entry ${host} is in another domain than the volume, so it cannot have it (${refusal.message})`,
    {
      next: 'move the host entry to the domain of the volume (movetodomain), or set hpe3par_cpg to a CPG of its domain',
    },
  );
}
