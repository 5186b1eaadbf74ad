import type { Initiators } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { HostChap } from './chap.js';
import { arrayWwn, loginsOf, missingIn, ownerCondition, pathsOf, plainName } from './host-answer.js';
import { Looks } from './looks.js';
import { makeSo } from './make-so.js';
import { query, safeName, segment } from './paths.js';
import type { HostPaths } from './ports.js';
import { cpgAnswer, hostAnswer, listOf, type HostAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** In `descriptors.comment` of the host entries that we made; only those are ever changed or removed (rule 15). */
const OUR_HOST = 'hpe-volume-plugin';
/** GENERIC_ALUA (reference 5.1) */
const PERSONA_GENERIC_ALUA = 2;
/** Add (reference 5.1). */
const ADD_PATHS = 1;
/** NON_EXISTENT_HOST (reference 2.2) */
const NON_EXISTENT_HOST = 17;

interface Parts {
  wsapi: Wsapi;
  /** Its domain is that of new host entries, when nobody names another CPG. */
  cpg: string | undefined;
  logger: Logger;
}

/** What this process knows of a host entry. */
interface Known {
  /** To make one again that went with its last export. */
  initiators: Initiators;
  paths: HostPaths;
}

/** Host entries of one array. */
export class Hosts {
  readonly #wsapi: Wsapi;
  readonly #logger: Logger;
  readonly #chap: HostChap;
  readonly #cpg: string | undefined;
  readonly #known = new Map<string, Known>();
  /** What `findOwner` has found, for the `ensure` that follows it, by the initiators. */
  readonly #looked = new Looks<HostAnswer | undefined>();
  /** What the array called a host when it was ensured last, by the initiators. */
  readonly #names = new Map<string, string>();
  /** Entries that nothing has been exported to since they were made here. */
  readonly #fresh = new Set<string>();
  /** Of CPGs; they cannot change. */
  readonly #domains = new Map<string, string | undefined>();

  constructor({ wsapi, cpg, logger }: Parts) {
    this.#wsapi = wsapi;
    this.#logger = logger;
    this.#chap = new HostChap(wsapi);
    this.#cpg = cpg;
  }

  /** The export that follows proves that a new host entry is really there, so it is not read back here. */
  async ensure(name: string, initiators: Initiators, signal: AbortSignal): Promise<string> {
    const looked = this.#looked.take(lookKey(initiators));
    const found = looked === undefined ? await this.#findEntry(initiators, signal) : looked.answer;
    const entry =
      found === undefined
        ? await this.#create(name, initiators, signal)
        : await this.#withAllPaths(found, initiators, signal);
    if (initiators.chap !== undefined) await this.#chap.ensure(entry, initiators.chap, signal);
    else if (entry.initiatorChapEnabled === true && initiators.protocol === 'iscsi') {
      const fields = { host: entry.name, array: this.#wsapi.label };
      this.#logger.warn('the host entry asks for CHAP, and hpe3par_iscsi_chap_enabled is not true', fields);
    }
    this.#remember(entry, initiators);
    return entry.name;
  }

  /** Name of the entry that owns the initiators. @throws `refused` when they belong to several */
  async findOwner(initiators: Initiators, signal: AbortSignal): Promise<string | undefined> {
    const at = performance.now();
    const entry = await this.#findEntry(initiators, signal);
    this.#looked.keep(lookKey(initiators), entry, at);
    return entry?.name;
  }

  /** What `findOwner` will most likely answer; undefined when this process has not used the entry yet, or has removed it. */
  likelyOwner(initiators: Initiators): string | undefined {
    return this.#names.get(lookKey(initiators));
  }

  /** Whether the entry was made here and has had no export yet: then every LUN of it is free. Says so once. */
  takeFresh(name: string): boolean {
    return this.#fresh.delete(name);
  }

  /** Makes the host entry again, after it went with its last export between `ensure` and now. False if it cannot. */
  async ensureAgain(name: string, signal: AbortSignal): Promise<boolean> {
    const known = this.#known.get(name);
    if (known === undefined) return false;
    // What was looked up may be from before it went.
    this.#looked.forget(lookKey(known.initiators));
    if ((await this.ensure(name, known.initiators, signal)) !== name) return false;
    this.#fresh.delete(name);
    return true;
  }

  /** How the host reaches the array, as it was when this process last ensured its entry. */
  async pathsOf(name: string, signal: AbortSignal): Promise<HostPaths> {
    const known = this.#known.get(name);
    if (known !== undefined) return known.paths;
    const host = await this.#find(name, signal);
    if (host === undefined) throw new DriverError('not-found', `${this.#wsapi.label} has no host ${name}`);
    const wwns = (host.FCPaths ?? []).map(({ wwn }) => wwn);
    const protocol = wwns.length > 0 ? 'fc' : 'iscsi';
    return { protocol, host: name, loggedInAt: loginsOf(host, { protocol, names: wwns }) };
  }

  /** The entry was made by us, and may go with its last export. Not knowing counts as no. */
  async isOurs(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      return isMarked(await this.#find(name, signal));
    } catch (thrown) {
      this.#logLeft(name, thrown);
      return false;
    }
  }

  /** Removes a host entry of ours that has no export. @throws when the array refuses, as it does while there is one */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#wsapi.change({ method: 'DELETE', path: `hosts/${segment(name)}` }, signal);
    } finally {
      // What was looked up before has gone with it, perhaps.
      this.#looked.forgetAll();
      for (const [key, known] of this.#names) if (known === name) this.#names.delete(key);
      this.#fresh.delete(name);
    }
  }

  /** The same as mere tidiness: a failure is logged. */
  async removeUnused(name: string, signal: AbortSignal): Promise<void> {
    await this.remove(name, signal).catch((thrown: unknown) => this.#logLeft(name, thrown));
  }

  #logLeft(name: string, thrown: unknown): void {
    const reason = asDriverError(thrown).message;
    this.#logger.warn('the host entry without exports was left on the array', { host: name, reason });
  }

  #remember(entry: HostAnswer, initiators: Initiators): void {
    const paths = {
      protocol: initiators.protocol,
      host: entry.name,
      loggedInAt: loginsOf(entry, initiators),
    };
    this.#known.set(entry.name, { initiators, paths });
    this.#names.set(lookKey(initiators), entry.name);
  }

  async #find(name: string, signal: AbortSignal): Promise<HostAnswer | undefined> {
    const read = { path: `hosts/${segment(name)}`, schema: hostAnswer, absent: [NON_EXISTENT_HOST] };
    return this.#wsapi.find(read, signal);
  }

  async #findEntry(initiators: Initiators, signal: AbortSignal): Promise<HostAnswer | undefined> {
    const read = {
      path: query('hosts', ownerCondition(initiators)),
      schema: listOf(hostAnswer),
      absent: [NON_EXISTENT_HOST],
    };
    const found = (await this.#wsapi.find(read, signal)) ?? [];
    const wanted = new Set(initiators.names.map(plainName));
    const owners = found.filter((host) => pathsOf(host).some((path) => wanted.has(path)));
    if (owners.length < 2) return owners[0];
    throw new DriverError(
      'refused',
      `the initiators of this host belong to several host entries on ${this.#wsapi.label}: ${owners.map((host) => host.name).join(', ')}`,
      { next: 'put them into one with: removehost, createhost -add' },
    );
  }

  /** Adds what an entry of ours lacks of this host's WWPNs; an administrator's entry is his to change. */
  async #withAllPaths(entry: HostAnswer, initiators: Initiators, signal: AbortSignal): Promise<HostAnswer> {
    const missing = missingIn(entry, initiators);
    if (missing.length === 0) return entry;
    if (initiators.protocol !== 'fc' || !isMarked(entry)) {
      this.#warnOfMissing(entry, missing);
      return entry;
    }
    const body = { pathOperation: ADD_PATHS, FCWWNs: missing.map(arrayWwn) };
    await this.#wsapi
      .change({ method: 'PUT', path: `hosts/${segment(entry.name)}`, body }, signal)
      .catch((thrown: unknown) => {
        const error = asDriverError(thrown);
        if (error.code === 'fenced') throw error;
        this.#warnOfMissing(entry, missing, error.message);
      });
    return (await this.#findEntry(initiators, signal)) ?? entry;
  }

  #warnOfMissing(entry: HostAnswer, missing: string[], reason?: string): void {
    this.#logger.warn('the host entry on the array lacks initiators of this host; no path leads through them', {
      host: entry.name,
      missing,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  async #create(name: string, initiators: Initiators, signal: AbortSignal): Promise<HostAnswer> {
    const domain = await this.#domainOf(initiators.cpg ?? this.#cpg, signal);
    const body = {
      name: safeName(name),
      persona: PERSONA_GENERIC_ALUA,
      ...(domain === undefined ? {} : { domain }),
      ...(initiators.protocol === 'fc' ? { FCWWNs: initiators.names.map(arrayWwn) } : { iSCSINames: initiators.names }),
      descriptors: { comment: OUR_HOST },
    };
    let made: HostAnswer | undefined;
    const entry = await makeSo<HostAnswer | undefined>(
      {
        act: async () => {
          await this.#wsapi.change({ method: 'POST', path: 'hosts', body }, signal);
          // With Fibre Channel the array has to say where they are logged in.
          if (initiators.protocol === 'iscsi') made = { name };
          this.#fresh.add(name);
        },
        read: async () => made ?? (await this.#findEntry(initiators, signal)),
        isDone: (found) => found !== undefined,
        notDone: () => new DriverError('unavailable', `${this.#wsapi.label} has no host ${name} after its creation`),
      },
      signal,
    ).catch((thrown: unknown) => {
      throw this.#explained(asDriverError(thrown), name);
    });
    return entry ?? { name };
  }

  async #domainOf(cpg: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    if (cpg === undefined || this.#domains.has(cpg)) return this.#domains.get(cpg ?? '');
    const { domain } = await this.#wsapi.get({ path: `cpgs/${segment(cpg)}`, schema: cpgAnswer }, signal);
    this.#domains.set(cpg, domain);
    return domain;
  }

  #explained(error: DriverError, name: string): DriverError {
    if (error.code !== 'exists') return error;
    return new DriverError('exists', `${error.message}; a host entry ${name} has other initiators than this host`, {
      next: `see them with: showhost -pathsum ${name}; add this host's with createhost -add, or remove the entry with removehost ${name}`,
    });
  }
}

const isMarked = (entry: HostAnswer | undefined): boolean => entry?.descriptors?.comment === OUR_HOST;

const lookKey = ({ protocol, names }: Initiators): string => [protocol, ...names].join(' ');
