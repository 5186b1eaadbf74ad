import { isDeepStrictEqual } from 'node:util';
import type { Backend } from '../backend/backend.js';
import { askActiveSide, type ActiveSideFinding } from '../backend/observe.js';
import { hasWitness, isPaired, isSplit } from '../backend/paired.js';
import type { Export } from '../contracts/array.js';
import type { Connection } from '../contracts/host.js';
import { exportSides, isOwnMount, type Apart, type Attachment } from '../domain/attachment.js';
import { arrayHostName } from '../domain/names.js';
import { otherSide, type Group, type Side } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import { apartAfter, movedApart, withApart } from './apart.js';
import type { Attachments } from './attachments.js';
import type { DriverContext } from './context.js';
import { getGroup } from './inventory.js';
import { groupLocks } from './keys.js';
import { noteActiveSide } from './note-active.js';
import { FOREIGN_LOCK_WAIT_MS, type Held, type Operations } from './operations.js';
import { peerExportSaga, planPeerExport, withExport } from './peer-export.js';
import { mountQuestion } from './plan-mount.js';

/** Paths that did not come when they were asked for are asked for again. */
const PATHS_AGAIN_MS = 10 * 60_000;

interface Watched {
  volume: Volume;
  backend: Backend;
  group: Group;
  attachment: Attachment;
}

/**
 * Peer persistence of what is mounted here: a volume that was mounted from one array only gets its other half as soon as both
 * arrays hold the same data again, and one that lost it gets it back.
 */
export class PeerWatch {
  readonly #ctx: DriverContext;
  readonly #operations: Operations;
  readonly #attachments: Attachments;
  /** Volumes whose device was given all its paths, and when (monotonic, ms); forgotten when their pair parts. */
  readonly #complete = new Map<string, number>();

  constructor(ctx: DriverContext, parts: { operations: Operations; attachments: Attachments }) {
    this.#ctx = ctx;
    this.#operations = parts.operations;
    this.#attachments = parts.attachments;
  }

  /** Volumes of this node that it has to look after. */
  async list(signal: AbortSignal): Promise<string[]> {
    const { journal, backends } = this.#ctx;
    const watched = journal.mounts().filter(({ backend: name }) => {
      const backend = backends.find(name);
      return backend !== undefined && hasWitness(backend);
    });
    const names = watched.map(({ volume }) => volume);
    return (await this.#attachments.findOwn(names, signal)).filter(isWhole).map(({ volume }) => volume);
  }

  /** One look at one volume, and what it needs. @throws why it did not get it */
  async look(name: string, signal: AbortSignal): Promise<void> {
    const watched = await this.#find(name, signal);
    if (watched === undefined) return;
    const finding = await ask(watched, signal);
    const { volume, backend, group, attachment } = watched;
    const { side } = finding.verdict;
    const seen = apartAfter({ ...watched, observation: finding.observation, side, row: finding.verdict.row });
    // A stop of our own for a moment, in which nobody fails over.
    const apart = group.owesStart === undefined || seen?.moved === true ? seen : attachment.apart;
    this.#tell(watched, finding, apart);
    if (!isDeepStrictEqual(apart, attachment.apart)) await this.#noteApart(watched, apart, signal);
    if (attachment.peer !== undefined && side !== undefined && side !== group.lastActive) {
      await noteActiveSide(this.#ctx, { volume, backend }, signal);
    }
    if (apart?.moved === true) return;
    if (!isProvenPair(watched, finding)) this.#complete.delete(name);
    else if (!this.#isComplete(name) || attachment.peer === undefined || (await lacksExport(watched, signal))) {
      await this.#complement(name, signal);
    }
  }

  async #find(name: string, signal: AbortSignal): Promise<Watched | undefined> {
    const { store, node, backends, journal } = this.#ctx;
    const [volume, attachment] = [
      await store.find('volume', name, signal),
      await store.find('attachment', name, signal),
    ];
    if (volume === undefined || attachment === undefined || !isWhole(attachment)) return undefined;
    const mount = journal.findMount(name);
    if (mount === undefined || !isOwnMount(node.id, mount, attachment)) return undefined;
    const backend = backends.get(volume.spec.backend);
    const group = await getGroup(store, volume, signal);
    if (group === undefined || !hasWitness(backend)) return undefined;
    return { volume, backend, group, attachment };
  }

  #isComplete(name: string): boolean {
    const at = this.#complete.get(name);
    return at !== undefined && performance.now() - at < PATHS_AGAIN_MS;
  }

  /** Nothing is taken away here: whoever writes would lose it unasked. */
  #tell(watched: Watched, finding: ActiveSideFinding, apart: Apart | undefined): void {
    const { volume, backend, attachment } = watched;
    const parted = attachment.peer === undefined ? undefined : whyNoPair(watched, finding);
    const moved = apart?.moved === true ? movedApart(backend, attachment, apart.side) : undefined;
    const { message, next } = parted ?? moved ?? {};
    if (message !== undefined) this.#ctx.logger.error(message, { volume: volume.name, next });
  }

  async #noteApart({ attachment }: Watched, apart: Apart | undefined, signal: AbortSignal): Promise<void> {
    const key = attachment.volume;
    const on = { volume: key, keys: [], lockWaitMs: FOREIGN_LOCK_WAIT_MS };
    await this.#operations.withVolume(on, signal, async (held) => {
      const now = (await this.#find(key, held.signal))?.attachment;
      if (now?.generation !== attachment.generation) return;
      // First the one that is left when the metadata are lost.
      await this.#attachments.users.noteApart(key, apart);
      await held.commit([{ put: 'attachment', key, value: withApart(now, apart) }]);
    });
  }

  /** With the locks of the volume and its group, so that neither an Unmount nor a stop of the group comes in between. */
  async #complement(name: string, signal: AbortSignal): Promise<void> {
    const volume = await this.#ctx.store.find('volume', name, signal);
    if (volume === undefined) return;
    const on = { volume: name, keys: groupLocks(volume), lockWaitMs: FOREIGN_LOCK_WAIT_MS };
    await this.#attachments.users.exclusively(name, async () =>
      this.#operations.withVolume(on, signal, async (held) => this.#complementUnder(held, name)),
    );
  }

  async #complementUnder(held: Held, name: string): Promise<void> {
    const { signal } = held;
    let watched = await this.#find(name, signal);
    if (watched !== undefined && !(await this.#isIntact(watched, signal))) return;
    for (const side of ['primary', 'secondary'] as const) {
      if (watched === undefined || !(await this.#isPairedNow(watched, signal))) return;
      if ((await findExport(watched, side, signal)) !== undefined) continue;
      await this.#export(held, watched, side);
      watched = await this.#find(name, signal);
    }
    if (watched === undefined) return;
    const finding = await ask(watched, signal);
    const { backend, attachment } = watched;
    if (attachment.peer === undefined || !isProvenPair(watched, finding)) return;
    const connection = await connectionOf(watched, finding.verdict.side ?? attachment.side, signal);
    if (connection === undefined) return;
    await this.#ctx.connector(backend).addPaths(connection, signal);
    this.#complete.set(name, performance.now());
  }

  /**
   * What is mounted from one array only and was cut off from it meanwhile must not go on from the other: the data there may be
   * others than those that the file system remembers.
   */
  async #isIntact(watched: Watched, signal: AbortSignal): Promise<boolean> {
    const { attachment, backend, volume } = watched;
    const { peer, side, device } = attachment;
    if (peer !== undefined) return true;
    const finding = await ask(watched, signal);
    const isThere = device !== undefined && (await this.#ctx.connector(backend).isCurrent(device.wwn, signal));
    if (finding.verdict.side === side && isThere) return true;
    this.#ctx.logger.warn(
      `mounted from ${backend.array(side).label} only, and cut off from it or no longer active there`,
      {
        volume: volume.name,
        next: `stop all containers that use ${volume.name} here, then start them again`,
      },
    );
    return false;
  }

  async #isPairedNow(watched: Watched, signal: AbortSignal): Promise<boolean> {
    return isProvenPair(watched, await ask(watched, signal));
  }

  async #export(held: Held, { volume, backend, attachment }: Watched, missing: Side): Promise<void> {
    const { node, logger } = this.#ctx;
    const { signal } = held;
    const initiators = await this.#ctx.connector(backend).initiators(signal);
    const hostName = arrayHostName(node.name);
    const plan = await planPeerExport(backend, { volume, attachment, missing, hostName, initiators }, signal);
    const claim = [{ put: 'attachment' as const, key: volume.name, value: withExport(plan, {}) }];
    const facts = await held.run(peerExportSaga(this.#ctx, backend, plan), { plan, volume: volume.name, claim });
    const { host, peer } = withExport(plan, facts);
    await this.#attachments.users.noteExports(volume.name, { host, ...(peer === undefined ? {} : { peer }) });
    logger.info(`mounted from ${backend.array(missing).label}, too`, { volume: volume.name });
  }
}

const isWhole = ({ state, device }: Attachment): boolean => state === 'attached' && device !== undefined;

/** The group may be well, and the volume no member of it any more: then its two copies have nothing to do with each other. */
const isProvenPair = ({ backend, volume }: Watched, { verdict, observation }: ActiveSideFinding): boolean =>
  verdict.side !== undefined && isPaired(backend, volume, observation);

const ask = async ({ backend, volume, group }: Watched, signal: AbortSignal): Promise<ActiveSideFinding> =>
  askActiveSide(mountQuestion({ backend, volume, group }, undefined), signal);

/** What is mounted from both arrays has two volumes behind it. */
function whyNoPair(
  { volume, backend, group }: Watched,
  { observation, verdict }: ActiveSideFinding,
): { message: string; next: string } | undefined {
  const stop = `stop all containers that use ${volume.name} now; then see which copy is good`;
  if (isSplit(observation)) {
    const labels = backend.sides.map((side) => backend.array(side).label).join(' and ');
    return {
      message: `${labels} both claim the Primary role of group ${group.name}, and volume ${volume.name} is mounted here from both of them: what is written may be in either copy`,
      next: `${stop}, and bring the group together: showrcopy groups ${group.name}`,
    };
  }
  if (verdict.side !== undefined || verdict.row !== 12) return undefined;
  return {
    message: `volume ${volume.name} is mounted here from both arrays, and is no pair any more: ${verdict.reason}; what is written may be in either copy`,
    next: `${stop}: showrcopy groups ${group.name}`,
  };
}

/** The export of one array to this node, by the host entry that is on record. */
async function findExport(
  { backend, volume, attachment }: Watched,
  side: Side,
  signal: AbortSignal,
): Promise<Export | undefined> {
  const on = exportSides(attachment).find((each) => each.side === side);
  return on && backend.array(side).findExport(volume.arrayName, on.host, signal);
}

async function lacksExport(watched: Watched, signal: AbortSignal): Promise<boolean> {
  const found = await Promise.all(watched.backend.sides.map(async (side) => findExport(watched, side, signal)));
  return found.includes(undefined);
}

/** The active array first. */
async function connectionOf(watched: Watched, active: Side, signal: AbortSignal): Promise<Connection | undefined> {
  const { volume, attachment } = watched;
  const [own, peer] = await Promise.all(
    [active, otherSide(active)].map(async (side) => findExport(watched, side, signal)),
  );
  const wwn = volume.wwn[active];
  const sizeBytes = attachment.device?.sizeBytes;
  if (own === undefined || peer === undefined || wwn === undefined || sizeBytes === undefined) return undefined;
  return { targets: own.targets, lun: own.lun, wwn, sizeBytes, peer: { targets: peer.targets, lun: peer.lun } };
}
