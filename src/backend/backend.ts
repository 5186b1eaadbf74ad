import type { ArrayClient } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import type { ReplicationMode, Side } from '../domain/replication.js';
import { homeSide, type Volume } from '../domain/volume.js';

/** How a backend replicates, from `replication_device`. */
export interface ReplicationSettings {
  /** Remote copy target as the primary array calls it (`backend_id`). */
  target: string;
  mode: ReplicationMode;
  /** Seconds; asynchronous only. */
  syncPeriod?: number;
  /** Rule 9: the copies get WWNs of their own, unless `secondary_wwn = same`. */
  differentSecondaryWwn: boolean;
  /** `replication_strict`: the surviving array alone is not enough to mount (row 6). */
  strict: boolean;
  removeEmptyGroup: 'always' | 'created';
}

export interface BackendSettings {
  /** Section of hpe.conf. */
  name: string;
  cpg: Partial<Record<Side, string>>;
  snapCpg: Partial<Record<Side, string>>;
  replication?: ReplicationSettings;
}

/** One section of hpe.conf: an array, or a pair of arrays that replicate. */
export class Backend {
  readonly settings: BackendSettings;
  readonly #arrays: { primary: ArrayClient; secondary?: ArrayClient };

  constructor(settings: BackendSettings, arrays: { primary: ArrayClient; secondary?: ArrayClient }) {
    this.settings = settings;
    this.#arrays = arrays;
  }

  get name(): string {
    return this.settings.name;
  }

  get sides(): Side[] {
    return this.#arrays.secondary === undefined ? ['primary'] : ['primary', 'secondary'];
  }

  /** Those that have the volume, or a copy of it. */
  sidesOf(volume: Pick<Volume, 'spec' | 'origin'>): Side[] {
    return volume.spec.replicationGroup === undefined ? [homeSide(volume)] : this.sides;
  }

  /** @throws `internal` when a plain backend is asked for its secondary */
  array(side: Side): ArrayClient {
    const array = this.#arrays[side];
    if (array === undefined) throw new DriverError('internal', `backend ${this.name} has no ${side} array`);
    return array;
  }

  /** @throws `invalid` when hpe.conf has no `replication_device` here */
  replication(): ReplicationSettings {
    if (this.settings.replication === undefined) {
      throw new DriverError(
        'invalid',
        `backend ${this.name} has no replication_device, so it has no remote copy groups`,
      );
    }
    return this.settings.replication;
  }

  /** @throws `internal` */
  cpg(side: Side): { cpg: string; snapCpg: string } {
    const cpg = this.settings.cpg[side];
    const snapCpg = this.settings.snapCpg[side];
    if (cpg === undefined || snapCpg === undefined) {
      throw new DriverError('internal', `backend ${this.name} has no CPG on its ${side} array`);
    }
    return { cpg, snapCpg };
  }

  async close(): Promise<void> {
    await Promise.all(this.sides.map(async (side) => this.array(side).close()));
  }
}
