import type { Chap } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { deleteNode, findNode, logIn, logOut, makeNode, scansByItself } from './iscsi-node.js';
import { mayStillCome, monotonicMs, SessionRecords, type SessionRecord } from './iscsi-records.js';
import { findSession, portalKey, portalText, type IscsiSession, type Portal } from './iscsi-sessions.js';
import { readBootId } from './loop-device.js';
import { cameTrue, type HostAccess } from './sysfs.js';

/** A portal that took that long to fail is left out for a while, so that not every volume waits for it. */
const SLOW_MS = 3_000;
const SILENCE_MS = 30_000;
const RETURN_PATIENCE_MS = 4_000;
const SESSION_PATIENCE_MS = 3_000;

/**
 * Sessions to the portals of our arrays. Those that were there before are used and left alone; what we made is on record, and
 * goes when nothing hangs on it any more. Of all backends there is one, because they share the host's sessions.
 */
export class IscsiLogins {
  readonly #access: HostAccess;
  readonly #records: SessionRecords;
  readonly #logger: Logger;
  /** The last work on each portal; the next one waits for it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** How many attachments are using a portal at the moment. */
  readonly #holds = new Map<string, number>();
  readonly #silent = new Map<string, { until: number; error: DriverError }>();

  constructor(access: HostAccess, { folder, logger }: { folder: string; logger: Logger }) {
    this.#access = access;
    this.#records = new SessionRecords(folder);
    this.#logger = logger;
  }

  /** Until `release` is called nobody logs out of that portal. */
  hold(portal: Portal): void {
    const key = portalKey(portal);
    this.#holds.set(key, (this.#holds.get(key) ?? 0) + 1);
  }

  release(portal: Portal): void {
    const key = portalKey(portal);
    const left = (this.#holds.get(key) ?? 1) - 1;
    if (left > 0) this.#holds.set(key, left);
    else this.#holds.delete(key);
  }

  /** The session to that portal, made if there is none. @throws DriverError when there is none that works */
  async ensureSession(portal: Portal, chap: Chap | undefined, signal: AbortSignal): Promise<IscsiSession> {
    return this.#inTurn(portal, async () => {
      const there = await findSession(this.#access.sysRoot, portal);
      if (there?.state === 'LOGGED_IN') return there;
      this.#refuseSilent(portal);
      const start = performance.now();
      try {
        return await ((await this.#findWorking(portal, signal)) ?? this.#logIn(portal, chap, signal));
      } catch (thrown) {
        const error = asDriverError(thrown);
        const now = performance.now();
        const isSlow = now - start > SLOW_MS && !signal.aborted;
        if (isSlow) this.#silent.set(portalKey(portal), { until: now + SILENCE_MS, error });
        throw error;
      }
    });
  }

  /** One that is there but does not work may be on its way back. @throws `unavailable` when it is not */
  async #findWorking(portal: Portal, signal: AbortSignal): Promise<IscsiSession | undefined> {
    const { sysRoot } = this.#access;
    const isSettled = async (): Promise<boolean> => {
      const session = await findSession(sysRoot, portal);
      return session === undefined || session.state === 'LOGGED_IN';
    };
    await cameTrue(isSettled, RETURN_PATIENCE_MS, signal);
    const session = await findSession(sysRoot, portal);
    return session === undefined ? undefined : working(session);
  }

  /** Logs out of what we logged in to and what no device uses any more; what fails is told in the log and tried next time. */
  async leaveUnused(signal: AbortSignal): Promise<void> {
    const tell = (unreadable: DriverError): void => this.#logger.warn(unreadable.toUserText());
    const [records, bootId] = await Promise.all([this.#records.list(tell), readBootId()]);
    await Promise.all(
      records.map(async (record) =>
        this.#inTurn(record, async () => this.#leave(record, { bootId, signal })).catch((thrown: unknown) => {
          if (signal.aborted) throw thrown;
          const reason = asDriverError(thrown).message;
          this.#logger.warn(`an iSCSI session is not ended yet, and will be tried again: ${portalKey(record)}`, {
            reason,
          });
        }),
      ),
    );
  }

  async #logIn(portal: Portal, chap: Chap | undefined, signal: AbortSignal): Promise<IscsiSession> {
    const { run, sysRoot } = this.#access;
    const [known, node] = await Promise.all([this.#records.find(portal), findNode(run, portal, signal)]);
    const ownsNode = node === undefined || known?.ownsNode === true;
    if (!ownsNode && scansByItself(node)) throw scansForeignLuns(portal);
    const record = { schema: 1 as const, ...portal, bootId: await readBootId(), ownsNode, madeAtMs: monotonicMs() };
    await this.#records.save(record);
    try {
      if (ownsNode) {
        if (node !== undefined) await deleteNode(run, portal, signal);
        await makeNode(run, { portal, chap }, signal);
      }
      await logIn(run, portal, signal);
      await cameTrue(async () => (await findSession(sysRoot, portal)) !== undefined, SESSION_PATIENCE_MS, signal);
      const session = await findSession(sysRoot, portal);
      if (session === undefined) throw noSession(portal);
      await this.#records.save({ ...record, session: session.id });
      return working(session);
    } catch (error) {
      // One that was cut off may still succeed: its record stays, and is looked at later.
      if (!signal.aborted && asDriverError(error).code !== 'unknown-outcome') await this.#forget(record, signal);
      throw error;
    }
  }

  /** After a login that failed. */
  async #forget(record: SessionRecord, signal: AbortSignal): Promise<void> {
    const left = await findSession(this.#access.sysRoot, record);
    if (left !== undefined) return;
    if (record.ownsNode) await deleteNode(this.#access.run, record, signal);
    await this.#records.remove(record);
  }

  async #leave(record: SessionRecord, { bootId, signal }: { bootId: string; signal: AbortSignal }): Promise<void> {
    if (this.#holds.has(portalKey(record))) return;
    const { run, sysRoot } = this.#access;
    const find = async (): Promise<IscsiSession | undefined> => findSession(sysRoot, record, record.session);
    const session = await find();
    const isOurs = record.bootId === bootId && (record.session === undefined || record.session === session?.id);
    if (session !== undefined && isOurs) {
      if (session.devices.length > 0) return;
      await logOut(run, session, signal);
      const isGone = async (): Promise<boolean> => (await find())?.id !== session.id;
      if (!(await cameTrue(isGone, SESSION_PATIENCE_MS, signal))) throw stays(record);
    }
    if (session === undefined && mayStillCome(record, bootId)) return;
    // A session that somebody else made from our node record since keeps the record.
    if (record.ownsNode && (session === undefined || isOurs)) await deleteNode(run, record, signal);
    await this.#records.remove(record);
  }

  #refuseSilent(portal: Portal): void {
    const silent = this.#silent.get(portalKey(portal));
    if (silent === undefined) return;
    if (performance.now() < silent.until) throw silent.error;
    this.#silent.delete(portalKey(portal));
  }

  async #inTurn<T>(portal: Portal, work: () => Promise<T>): Promise<T> {
    const key = portalKey(portal);
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#turns.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(key) === mine) this.#turns.delete(key);
    }
  }
}

function working(session: IscsiSession): IscsiSession {
  if (session.state === 'LOGGED_IN') return session;
  throw new DriverError('unavailable', `the iSCSI session to ${portalText(session.portal)} is ${session.state}`, {
    next: `iscsiadm -m session -P 1; ping ${session.portal.host}`,
  });
}

function scansForeignLuns(portal: Portal): DriverError {
  const node = `iscsiadm -m node -T ${portal.target} -p ${portalText(portal)}`;
  return new DriverError(
    'refused',
    `open-iscsi has a node record of ${portalKey(portal)} that is not ours, and whose sessions scan for all LUNs; it is not used`,
    { next: `${node} -o update -n node.session.scan -v manual; or, if nobody needs it: ${node} -o delete` },
  );
}

/** It may be there under another address, or come later: its record stays. */
function noSession(portal: Portal): DriverError {
  return new DriverError('unknown-outcome', `the login to ${portalKey(portal)} succeeded, but there is no session`, {
    next: 'iscsiadm -m session; dmesg | tail',
  });
}

function stays(portal: Portal): DriverError {
  return new DriverError('unavailable', `the session to ${portalKey(portal)} is still there after the logout`, {
    next: `iscsiadm -m node -T ${portal.target} -p ${portalText(portal)} --logout`,
  });
}
