import { askActiveSide, describeViews } from '../backend/observe.js';
import type { Backend } from '../backend/backend.js';
import { Rounds } from '../backend/rounds.js';
import type { MetadataStore, Write } from '../contracts/store.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { checkOverrideRequest, type Override, type OverrideRequest } from '../domain/override.js';
import type { Group } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import { within } from '../domain/signals.js';
import type { DriverContext } from './context.js';
import { getVolume } from './inventory.js';
import { groupKeyOf, volumeKey } from './keys.js';

/** How often the log is brought up to date with overrides that were made, or ended, elsewhere. */
const WATCH_INTERVAL_MS = 5_000;
const READ_TIMEOUT_MS = 5_000;
/** What the arrays say is a courtesy; a dead one must not keep the operator waiting. */
const ASK_TIMEOUT_MS = 10_000;

type Parts = Pick<DriverContext, 'store' | 'backends' | 'node' | 'logger'>;

interface Replicated {
  volume: Volume;
  backend: Backend;
  group: Group;
}

/** The override that is in force for this very volume, if there is one. */
export async function findOverride(
  store: MetadataStore,
  volume: Volume,
  signal: AbortSignal,
): Promise<Override | undefined> {
  const override = await store.find('override', volume.name, signal);
  return override?.volumeId === volume.id ? override : undefined;
}

/** Operators' overrides (rule 8): made, taken back, and followed in the log until they end. */
export class Overrides {
  readonly #parts: Parts;
  readonly #known = new Map<string, { override: Override; seenMs: number }>();
  readonly #rounds = new Rounds(async (signal) => this.#look(signal), WATCH_INTERVAL_MS);

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#rounds.start();
  }

  async stop(): Promise<void> {
    await this.#rounds.stop();
  }

  /** Replaces the volume's override; the lines for the operator. @throws `invalid`, `not-found`, `refused`, `busy`, with nothing changed */
  async make(request: OverrideRequest, signal: AbortSignal): Promise<string[]> {
    const { volume: name, side, seconds, reason } = checkOverrideRequest(request);
    const { node, logger } = this.#parts;
    const made = await this.#underLock(name, signal, async (commit) => {
      const at = await this.#getReplicated(name, signal);
      const now = Date.now();
      const override: Override = {
        volume: name,
        volumeId: at.volume.id,
        side,
        reason,
        madeBy: node.name,
        madeAt: new Date(now).toISOString(),
        until: new Date(now + seconds * 1000).toISOString(),
      };
      await commit([{ put: 'override', key: name, value: override, ttlSeconds: seconds }]);
      return { ...at, override };
    });
    this.#known.set(name, { override: made.override, seenMs: performance.now() });
    logger.warn('an override was made', { ...made.override });
    return [
      `volume ${name} may be mounted from the ${side} array until ${made.override.until}, on any node, with what rows 6 to 8 of the role table refuse, and as the first mount after a failover; nothing else is lifted, and no other volume is concerned`,
      await outlook(made, within(ASK_TIMEOUT_MS, signal)),
      `it is logged, shows in docker volume inspect ${name}, and ends by itself; to take it back: hpe-volume-plugin override ${name} --end`,
    ];
  }

  /** Takes the override back; none is success. @throws `not-found` for an unknown volume */
  async end(name: string, signal: AbortSignal): Promise<string[]> {
    const { store, logger } = this.#parts;
    const override = await this.#underLock(name, signal, async (commit) => {
      const found = await store.find('override', name, signal);
      if (found !== undefined) await commit([{ remove: 'override', key: name }]);
      else await getVolume(store, name, signal);
      return found;
    });
    if (override === undefined) return [`volume ${name} has no override, or it has ended already`];
    this.#known.delete(name);
    logger.warn('an override was taken back', { ...override });
    return [`the override of volume ${name} is taken back: the next mount follows the role table again`];
  }

  async #underLock<T>(
    name: string,
    signal: AbortSignal,
    work: (commit: (writes: Write[]) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const { store } = this.#parts;
    const fence = await store.lock([volumeKey(name)], signal);
    try {
      return await work(async (writes) => store.commit(fence, writes));
    } finally {
      await fence.release();
    }
  }

  async #getReplicated(name: string, signal: AbortSignal): Promise<Replicated> {
    const volume = await getVolume(this.#parts.store, name, signal);
    if (volume.state !== 'ready') {
      throw new DriverError('refused', `volume ${name} is in state ${volume.state}: it is not mounted at all now`, {
        next: `wait until docker volume inspect ${name} shows state ready, or the volume is gone`,
      });
    }
    const key = groupKeyOf(volume);
    if (key === undefined) {
      throw new DriverError('invalid', `volume ${name} is not replicated: it has one copy, and nothing to override`, {
        next: `docker volume inspect ${name} shows its backend; the error of the mount says what is wrong with it`,
      });
    }
    const group = await this.#parts.store.find('group', key, signal);
    if (group === undefined) throw new DriverError('internal', `the metadata have volume ${name}, but not its group`);
    return { volume, backend: this.#parts.backends.get(volume.spec.backend), group };
  }

  /** Never throws: what cannot be read now is looked at in the next round. */
  async #look(stopped: AbortSignal): Promise<void> {
    const { store, logger } = this.#parts;
    try {
      const signal = within(READ_TIMEOUT_MS, stopped);
      const found = new Map((await store.list('override', signal)).map((each) => [each.volume, each]));
      for (const [volume, { override }] of this.#known) {
        if (found.get(volume)?.madeAt === override.madeAt) continue;
        this.#known.delete(volume);
        logger.warn('an override has ended', { ...override });
      }
      for (const override of found.values()) await this.#follow(override, signal);
    } catch (thrown) {
      logger.debug('overrides could not be read', { reason: asDriverError(thrown).message });
    }
  }

  async #follow(override: Override, signal: AbortSignal): Promise<void> {
    const known = this.#known.get(override.volume);
    if (known === undefined) {
      this.#known.set(override.volume, { override, seenMs: performance.now() });
      this.#parts.logger.warn('an override is in force', { ...override });
      return;
    }
    // etcd gives every lease its whole time again when its leader changes; whoever has seen all of its time ends it.
    const lifeMs = Date.parse(override.until) - Date.parse(override.madeAt);
    if (performance.now() - known.seenMs < lifeMs) return;
    await this.#underLock(override.volume, signal, async (commit) => {
      const now = await this.#parts.store.find('override', override.volume, signal);
      if (now?.madeAt === override.madeAt) await commit([{ remove: 'override', key: override.volume }]);
    });
  }
}

/** What a mount would meet now. */
async function outlook(made: Replicated & { override: Override }, signal: AbortSignal): Promise<string> {
  const { volume, backend, group, override } = made;
  const { arrayName, everMounted, name } = volume;
  try {
    const request = { backend, group, arrayName, everMounted, override: { volume: name, side: override.side } };
    const { views, verdict } = await askActiveSide(request, signal);
    const mount =
      verdict.side === undefined
        ? `refused all the same (row ${verdict.row}): ${verdict.reason}`
        : `from the ${verdict.side} array (row ${verdict.row})${verdict.overridden === true ? '' : ', for which no override is needed'}`;
    return `now: ${describeViews(backend, views)}; a mount would be ${verdict.side === undefined ? '' : 'made '}${mount}`;
  } catch (thrown) {
    return `the arrays could not be asked now: ${asDriverError(thrown).message}`;
  }
}
