import type { Initiators, Vlun } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { makeSo } from './make-so.js';
import { query, safeName, segment } from './paths.js';
import { hostAnswer, listOf, type HostAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** In `descriptors.comment` of the host entries that we made; only those are ever removed (rule 15). */
const OUR_HOST = 'hpe-volume-plugin';
/** GENERIC_ALUA (reference 5.1) */
const PERSONA_GENERIC_ALUA = 2;
/** NON_EXISTENT_HOST (reference 2.2) */
const NON_EXISTENT_HOST = 17;

/** Host entries of one array. */
export class Hosts {
  readonly #wsapi: Wsapi;
  readonly #logger: Logger;
  /** What the hosts of this process are made of, to make one again that went with its last export. */
  readonly #initiators = new Map<string, Initiators>();

  constructor(wsapi: Wsapi, logger: Logger) {
    this.#wsapi = wsapi;
    this.#logger = logger;
  }

  /** The export that follows proves that a new host entry is really there, so it is not read back here. */
  async ensure(name: string, initiators: Initiators, signal: AbortSignal): Promise<string> {
    const owner = (await this.findOwner(initiators, signal)) ?? (await this.#create(name, initiators, signal));
    this.#initiators.set(owner, initiators);
    return owner;
  }

  /** Name of the entry that owns the initiators. @throws `refused` when they belong to several */
  async findOwner(initiators: Initiators, signal: AbortSignal): Promise<string | undefined> {
    const read = {
      path: query('hosts', ownerCondition(initiators)),
      schema: listOf(hostAnswer),
      absent: [NON_EXISTENT_HOST],
    };
    const found = (await this.#wsapi.find(read, signal)) ?? [];
    const wanted = new Set(initiators.names.map(plainName));
    const owners = found.filter((host) => pathsOf(host).some((path) => wanted.has(path)));
    const [owner, other] = owners;
    if (owner === undefined) return undefined;
    if (other !== undefined) {
      throw new DriverError(
        'refused',
        `the initiators of this host belong to several host entries on ${this.#wsapi.label}: ${owners.map((host) => host.name).join(', ')}`,
        { next: 'put them into one with: removehost, createhost -add' },
      );
    }
    const paths = pathsOf(owner);
    const missing = [...wanted].filter((path) => !paths.includes(path));
    if (missing.length > 0) {
      this.#logger.warn('the host entry on the array lacks initiators of this host; no path leads through them', {
        host: owner.name,
        missing,
      });
    }
    return owner.name;
  }

  /** Makes the host entry again, after it went with its last export between `ensure` and now. False if it cannot. */
  async ensureAgain(name: string, signal: AbortSignal): Promise<boolean> {
    const initiators = this.#initiators.get(name);
    return initiators !== undefined && (await this.ensure(name, initiators, signal)) === name;
  }

  async protocolOf(name: string, signal: AbortSignal): Promise<Initiators['protocol']> {
    const known = this.#initiators.get(name);
    if (known !== undefined) return known.protocol;
    const host = await this.#find(name, signal);
    if (host === undefined) throw new DriverError('not-found', `${this.#wsapi.label} has no host ${name}`);
    return (host.FCPaths ?? []).length > 0 ? 'fc' : 'iscsi';
  }

  /** The entry was made by us, and may go with its last export. Not knowing counts as no. */
  async isOurs(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#find(name, signal))?.descriptors?.comment === OUR_HOST;
    } catch (thrown) {
      this.#logLeft(name, thrown);
      return false;
    }
  }

  /** Removes a host entry of ours that has no export; the array itself refuses otherwise. Only tidiness: a failure is logged. */
  async removeUnused(name: string, readExports: () => Promise<Vlun[]>, signal: AbortSignal): Promise<void> {
    try {
      if ((await readExports()).length > 0) return;
      await this.#wsapi.change({ method: 'DELETE', path: `hosts/${segment(name)}` }, signal);
    } catch (thrown) {
      this.#logLeft(name, thrown);
    }
  }

  #logLeft(name: string, thrown: unknown): void {
    const reason = asDriverError(thrown).message;
    this.#logger.warn('the host entry without exports was left on the array', { host: name, reason });
  }

  async #find(name: string, signal: AbortSignal): Promise<HostAnswer | undefined> {
    const read = { path: `hosts/${segment(name)}`, schema: hostAnswer, absent: [NON_EXISTENT_HOST] };
    return this.#wsapi.find(read, signal);
  }

  async #create(name: string, initiators: Initiators, signal: AbortSignal): Promise<string> {
    const body = {
      name: safeName(name),
      persona: PERSONA_GENERIC_ALUA,
      ...(initiators.protocol === 'fc'
        ? { FCWWNs: initiators.names.map((wwn) => plainName(wwn).toUpperCase()) }
        : { iSCSINames: initiators.names }),
      descriptors: { comment: OUR_HOST },
    };
    let made: string | undefined;
    const owner = await makeSo<string | undefined>(
      {
        act: async () => {
          await this.#wsapi.change({ method: 'POST', path: 'hosts', body }, signal);
          made = name;
        },
        read: async () => made ?? (await this.findOwner(initiators, signal)),
        isDone: (found) => found !== undefined,
        notDone: () => new DriverError('unavailable', `${this.#wsapi.label} has no host ${name} after its creation`),
      },
      signal,
    ).catch((thrown: unknown) => {
      throw this.#explained(asDriverError(thrown), name);
    });
    return owner ?? name;
  }

  #explained(error: DriverError, name: string): DriverError {
    if (error.code !== 'exists') return error;
    return new DriverError('exists', `${error.message}; a host entry ${name} has other initiators than this host`, {
      next: `see them with: showhost -pathsum ${name}; add this host's with createhost -add, or remove the entry with removehost ${name}`,
    });
  }
}

/** Lower case without colons for a WWPN, lower case for an IQN. */
function plainName(initiator: string): string {
  const lower = initiator.toLowerCase();
  return lower.startsWith('iqn.') ? lower : lower.replaceAll(':', '');
}

const pathsOf = (host: HostAnswer): string[] =>
  [...(host.FCPaths ?? []).map((path) => path.wwn), ...(host.iSCSIPaths ?? []).map((path) => path.name)].map(plainName);

function ownerCondition({ protocol, names }: Initiators): string {
  if (names.length === 0) throw new DriverError('invalid', `this host has no ${protocol} initiator`);
  if (protocol === 'fc') {
    return `FCPaths[${names.map((wwn) => `wwn==${safeName(plainName(wwn).toUpperCase())}`).join(' OR ')}]`;
  }
  return `iSCSIPaths[${names.map((iqn) => `name==${safeName(iqn)}`).join(' OR ')}]`;
}
