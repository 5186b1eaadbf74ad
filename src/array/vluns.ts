import type { Vlun } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import type { Hosts } from './hosts.js';
import { Looks } from './looks.js';
import { makeSo } from './make-so.js';
import { query, safeName, segment } from './paths.js';
import { formatPort, listOf, vlunAnswer, type VlunAnswer } from './schemas.js';
import { together } from '../domain/together.js';
import type { Wsapi } from './wsapi.js';

/** Numbers of reference 2.2: what an array may say when a query finds nothing. */
const NON_EXISTENT_HOST = 17;
const NON_EXISTENT_VLUN = 19;
const NON_EXISTENT_VOL = 23;

/** What a removal goes by: what the host has, and whether its entry is ours. */
type Before = [exports: Vlun[], hostIsOurs: boolean];

/** VLUNs of one array: what it exports, and how that is taken away. */
export class Vluns {
  readonly #wsapi: Wsapi;
  readonly #hosts: Hosts;
  /** For the removals that follow. */
  readonly #looked = new Looks<Promise<Before>>();

  constructor(wsapi: Wsapi, hosts: Hosts) {
    this.#wsapi = wsapi;
    this.#hosts = hosts;
  }

  async find(volume: string, signal: AbortSignal): Promise<Vlun[]> {
    const found = await this.#list(`volumeName EQ ${safeName(volume)}`, signal);
    return found.filter((vlun) => vlun.volume === volume);
  }

  /** Of one volume to one host. */
  async findTemplates(volume: string, host: string, signal: AbortSignal): Promise<Vlun[]> {
    return (await this.find(volume, signal)).filter((vlun) => vlun.host === host && !vlun.active);
  }

  /** All exports to one host, templates and active ones. */
  async listTo(host: string, signal: AbortSignal): Promise<Vlun[]> {
    const found = await this.#list(`hostname EQ ${safeName(host)}`, signal);
    return found.filter((vlun) => vlun.host === host);
  }

  /** Asks what a removal goes by, in time for it. Returns at once; a failure that comes before the removal is no answer. */
  lookBeforeRemoval(volume: string, host: string, signal: AbortSignal): void {
    const about = aboutRemoval(volume, host);
    const looking = this.#before(host, signal);
    this.#looked.keep(about, looking, performance.now());
    looking.catch(() => this.#looked.forget(about));
  }

  /** Without an export there may still be a host entry, made for one that then failed. */
  async remove(volume: string, host: string, signal: AbortSignal): Promise<void> {
    const looked = await this.#looked.take(aboutRemoval(volume, host))?.answer;
    // That nothing is left to be removed is proven now, and not before.
    const isOfUse = looked !== undefined && templatesOf(volume, looked[0]).length > 0;
    const [exports, hostIsOurs] = isOfUse ? looked : await this.#before(host, signal);
    const templates = templatesOf(volume, exports);
    const isLast = exports.every((vlun) => vlun.volume === volume);
    if (templates.length === 0) return hostIsOurs && isLast ? this.#hosts.removeUnused(host, signal) : undefined;
    let asked: Promise<boolean> | undefined;
    const left = await this.#removeAll({ volume, host, templates }, signal, async () => {
      if (hostIsOurs && isLast)
        asked ??= this.#hosts.remove(host, signal).then(
          () => true,
          () => false,
        );
      await asked;
    });
    // The array may have finished a moment after it answered, and what was beside it then may be gone now.
    if (hostIsOurs && left.length === 0 && (await asked) !== true) await this.#hosts.removeUnused(host, signal);
  }

  async #before(host: string, signal: AbortSignal): Promise<Before> {
    return together([this.listTo(host, signal), this.#hosts.isOurs(host, signal)]);
  }

  /** Only what is exported on one LUN; all of it is of one volume and to one host. */
  async removeTemplates(templates: Vlun[], signal: AbortSignal): Promise<void> {
    const [first] = templates;
    if (first === undefined) return;
    const { volume, host, lun } = first;
    await makeSo(
      {
        act: async () => together(templates.map(async (vlun) => this.#removeTemplate(vlun, signal))),
        read: async () => this.find(volume, signal),
        isDone: (found) => !found.some((vlun) => vlun.host === host && vlun.lun === lun),
        notDone: () =>
          new DriverError('unavailable', `${this.#wsapi.label} keeps a second export of ${volume}, LUN ${lun}`, {
            next: `see the exports with: showvlun -v ${volume}`,
          }),
      },
      signal,
    );
  }

  /**
   * Answers what the host still has; asked by host, the read-back also tells whether its entry has become superfluous.
   * `besideReadBack` is done beside each read-back.
   */
  async #removeAll(
    { volume, host, templates }: { volume: string; host: string; templates: Vlun[] },
    signal: AbortSignal,
    besideReadBack: () => Promise<void>,
  ): Promise<Vlun[]> {
    return makeSo(
      {
        act: async () => together(templates.map(async (vlun) => this.#removeTemplate(vlun, signal))),
        read: async () => (await together([this.listTo(host, signal), besideReadBack()]))[0],
        isDone: (found) => !found.some((vlun) => vlun.volume === volume),
        notDone: () =>
          new DriverError(
            'unavailable',
            `${this.#wsapi.label} acknowledged the removal of the export of ${volume} to ${host}, but still shows it`,
            { next: `see the exports with: showvlun -v ${volume}` },
          ),
      },
      signal,
    );
  }

  async #list(condition: string, signal: AbortSignal): Promise<Vlun[]> {
    const read = {
      path: query('vluns', condition),
      schema: listOf(vlunAnswer),
      absent: [NON_EXISTENT_VLUN, NON_EXISTENT_VOL, NON_EXISTENT_HOST],
    };
    return ((await this.#wsapi.find(read, signal)) ?? []).map(toVlun);
  }

  async #removeTemplate(vlun: Vlun, signal: AbortSignal): Promise<void> {
    const port = vlun.port === undefined ? '' : `,${vlun.port}`;
    const path = `vluns/${segment(vlun.volume)},${vlun.lun},${segment(vlun.host)}${port}`;
    await this.#wsapi.change({ method: 'DELETE', path }, signal);
  }
}

const templatesOf = (volume: string, exports: Vlun[]): Vlun[] =>
  exports.filter((vlun) => vlun.volume === volume && !vlun.active);

const aboutRemoval = (volume: string, host: string): string => JSON.stringify([volume, host]);

export function toVlun(answer: VlunAnswer): Vlun {
  return {
    volume: answer.volumeName,
    host: answer.hostname ?? '',
    lun: answer.lun,
    active: answer.active,
    port: answer.portPos && formatPort(answer.portPos),
  };
}
