import type { Export, Vlun } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { ArrayRefusal } from './codes.js';
import type { Hosts } from './hosts.js';
import { makeSo } from './make-so.js';
import { query, safeName, segment } from './paths.js';
import type { Ports, TargetPort } from './ports.js';
import { formatPort, listOf, vlunAnswer, type VlunAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** Numbers of reference 2.2: what an array may say when a query finds nothing. */
const NON_EXISTENT_HOST = 17;
const NON_EXISTENT_VLUN = 19;
const NON_EXISTENT_VOL = 23;

interface Parts {
  wsapi: Wsapi;
  hosts: Hosts;
  ports: Ports;
}

/** Exports of one array. */
export class Vluns {
  readonly #wsapi: Wsapi;
  readonly #hosts: Hosts;
  readonly #ports: Ports;

  constructor({ wsapi, hosts, ports }: Parts) {
    this.#wsapi = wsapi;
    this.#hosts = hosts;
    this.#ports = ports;
  }

  async find(volume: string, signal: AbortSignal): Promise<Vlun[]> {
    const found = await this.#list(`volumeName EQ ${safeName(volume)}`, signal);
    return found.filter((vlun) => vlun.volume === volume);
  }

  async ensure(volume: string, host: string, signal: AbortSignal): Promise<Export> {
    const change = { method: 'POST', path: 'vluns', body: createBody(volume, host) } as const;
    let location: string | undefined;
    const [vluns, ports, protocol] = await everyone([
      makeSo(
        {
          act: async () => {
            location = await this.#wsapi.change(change, signal).catch(async (thrown: unknown) => {
              const hostIsGone = thrown instanceof ArrayRefusal && thrown.number === NON_EXISTENT_HOST;
              if (!hostIsGone || !(await this.#hosts.ensureAgain(host, signal))) throw thrown;
              return this.#wsapi.change(change, signal);
            });
          },
          read: async () => (await this.find(volume, signal)).filter((vlun) => vlun.host === host),
          isDone: (found) => found.some((vlun) => !vlun.active),
          notDone: () =>
            new DriverError(
              'unavailable',
              `${this.#wsapi.label} acknowledged the export of ${volume} to ${host}, but does not show it`,
              { next: `see the exports with: showvlun -v ${volume}` },
            ),
        },
        signal,
      ),
      this.#ports.list(signal),
      this.#hosts.protocolOf(host, signal),
    ]);
    const kept = await this.#withoutSecond(vluns, location, signal);
    return toExport(
      kept,
      host,
      ports.filter((port) => port.protocol === protocol),
    );
  }

  /** Without an export there may still be a host entry, made for one that then failed. */
  async remove(volume: string, host: string, signal: AbortSignal): Promise<void> {
    const [found, hostIsOurs] = await everyone([this.find(volume, signal), this.#hosts.isOurs(host, signal)]);
    const templates = found.filter((vlun) => vlun.host === host && !vlun.active);
    const left = templates.length === 0 ? undefined : await this.#removeTemplates({ volume, host, templates }, signal);
    if (!hostIsOurs) return;
    await this.#hosts.removeUnused(host, async () => left ?? this.#listTo(host, signal), signal);
  }

  /** Answers what the host still has; asked by host, the read-back also tells whether its entry has become superfluous. */
  async #removeTemplates(
    { volume, host, templates }: { volume: string; host: string; templates: Vlun[] },
    signal: AbortSignal,
  ): Promise<Vlun[]> {
    return makeSo(
      {
        act: async () => everyone(templates.map(async (vlun) => this.#removeTemplate(vlun, signal))),
        read: async () => this.#listTo(host, signal),
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

  async #listTo(host: string, signal: AbortSignal): Promise<Vlun[]> {
    const found = await this.#list(`hostname EQ ${safeName(host)}`, signal);
    return found.filter((vlun) => vlun.host === host);
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

  /**
   * An array that chooses the LUN itself exports a second time where an export was there already: a retry after a lost
   * answer. The one that we have just made goes again.
   */
  async #withoutSecond(vluns: Vlun[], location: string | undefined, signal: AbortSignal): Promise<Vlun[]> {
    const templates = vluns.filter((vlun) => !vlun.active);
    if (templates.length < 2 || location === undefined) return vluns;
    const lun = Number(location.split('/').at(-1)?.split(',')[1]);
    const second = templates.find((vlun) => vlun.lun === lun && vlun.port === undefined);
    if (second === undefined) return vluns;
    await makeSo(
      {
        act: async () => {
          await this.#removeTemplate(second, signal);
        },
        read: async () => this.find(second.volume, signal),
        isDone: (found) => !found.some((vlun) => vlun.host === second.host && vlun.lun === lun),
        notDone: () =>
          new DriverError('unavailable', `${this.#wsapi.label} keeps a second export of ${second.volume}, LUN ${lun}`),
      },
      signal,
    );
    return vluns.filter((vlun) => vlun.lun !== lun);
  }
}

/** Waits for all, then fails with the first failure in their order: nothing goes on in the background. */
async function everyone<T extends readonly unknown[] | []>(
  work: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** The LUN is the lowest that the host has free (reference 5.2). */
const createBody = (volume: string, host: string): Record<string, unknown> => ({
  volumeName: safeName(volume),
  hostname: safeName(host),
  lun: 0,
  autoLun: true,
  maxAutoLun: 0,
});

function toVlun(answer: VlunAnswer): Vlun {
  return {
    volume: answer.volumeName,
    host: answer.hostname ?? '',
    lun: answer.lun,
    active: answer.active,
    port: answer.portPos && formatPort(answer.portPos),
  };
}

/** A template without a port shows the LUN on every ready port; one with a port only there. */
function toExport(vluns: Vlun[], host: string, ports: TargetPort[]): Export {
  const templates = vluns.filter((vlun) => !vlun.active);
  const everywhere = templates.some((vlun) => vlun.port === undefined);
  const shown = new Set(vluns.map((vlun) => vlun.port));
  const targets = ports
    .filter((port) => everywhere || shown.has(port.position))
    .map(({ name, portal }) => (portal === undefined ? { name } : { name, portal }));
  const [first] = templates;
  if (first === undefined) throw new DriverError('internal', `no export to ${host}`);
  if (targets.length === 0) {
    throw new DriverError(
      'unavailable',
      `the array shows ${first.volume} to ${host} on no ready port of the host's protocol`,
      {
        next: 'see the ports with: showport, and the paths of the host with: showhost -pathsum',
      },
    );
  }
  return { host, lun: first.lun, targets };
}
