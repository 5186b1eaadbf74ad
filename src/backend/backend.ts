import type { ArrayClient } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import type { Place } from '../domain/place.js';
import type { ReplicationMode, Side } from '../domain/replication.js';
import { homeSide, type Volume } from '../domain/volume.js';

/** How a backend replicates, from `replication_device`. */
export interface ReplicationSettings {
  /** Remote copy target as the primary array calls it (`backend_id`). */
  target: string;
  mode: ReplicationMode;
  /** Seconds; asynchronous only. */
  syncPeriod?: number;
  /** Peer persistence: the quorum witness of both arrays (`quorum_witness_ip`). */
  witness?: string;
  /** Rule 9: the copies get WWNs of their own, unless `secondary_wwn = same`. */
  differentSecondaryWwn: boolean;
  /** `replication_strict`: the surviving array alone is not enough to mount (row 6). */
  strict: boolean;
  removeEmptyGroup: 'always' | 'created';
  /** CPG of the primary array → CPG of the secondary. */
  cpgMap: ReadonlyMap<string, string>;
  snapCpgMap: ReadonlyMap<string, string>;
}

/** Where its volumes are made, unless their options say otherwise. */
export interface BackendSettings extends Place {
  /** Section of hpe.conf. */
  name: string;
  /** hpe.conf has no CPG of its own for snapshots; they take space where the volumes are. */
  snapshotsFollow?: boolean;
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

  /** Where a volume with those options is made. @throws `invalid` when hpe.conf does not say where its copy would be */
  placeOf({ cpg: cpgOption, snapCpg: snapCpgOption }: { cpg?: string; snapCpg?: string }): Place {
    const { replication, snapshotsFollow, ...usual } = this.settings;
    const standard = { cpg: usual.cpg, snapCpg: usual.snapCpg };
    if (cpgOption === undefined && snapCpgOption === undefined) return standard;
    const cpg = cpgOption ?? usual.cpg.primary;
    const snapCpg = snapCpgOption ?? (snapshotsFollow === true ? cpg : usual.snapCpg.primary);
    if (cpg === undefined || snapCpg === undefined)
      throw new DriverError('internal', `backend ${this.name} has no CPG`);
    if (replication === undefined) return { cpg: { primary: cpg }, snapCpg: { primary: snapCpg } };
    const copies = {
      cpg: replication.cpgMap.get(cpg) ?? (cpg === usual.cpg.primary ? usual.cpg.secondary : undefined),
      snapCpg:
        replication.snapCpgMap.get(snapCpg) ??
        (snapCpg === usual.snapCpg.primary ? usual.snapCpg.secondary : undefined),
    };
    if (copies.cpg === undefined) throw this.#unmapped('cpg_map', cpg);
    if (copies.snapCpg === undefined) throw this.#unmapped('snap_cpg_map', snapCpg);
    return {
      cpg: { primary: cpg, secondary: copies.cpg },
      snapCpg: { primary: snapCpg, secondary: copies.snapCpg },
    };
  }

  #unmapped(key: 'cpg_map' | 'snap_cpg_map', cpg: string): DriverError {
    const text = `${key} of backend ${this.name} has no pair for CPG ${cpg}, so where the copy would be made is not known`;
    return new DriverError('invalid', text, {
      next: `add ${cpg}:CPG_OF_THE_SECONDARY to ${key} in hpe.conf, or name a CPG that it has; nothing was changed`,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.sides.map(async (side) => this.array(side).close()));
  }
}
