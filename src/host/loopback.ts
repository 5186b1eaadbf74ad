import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Initiators } from '../contracts/array.js';
import type { Connection, HostConnector } from '../contracts/host.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { findDeviceNumber } from './device-users.js';
import { proveUnused } from './exclusive.js';
import {
  addLoopDevice,
  freeLoopDevice,
  hasSequence,
  identifyFile,
  listLoopDevices,
  readBootId,
  readLoopSize,
  resizeLoopDevice,
  type FileIdentity,
  type LoopDevice,
} from './loop-device.js';
import { findFile, waitForLun } from './loopback-fabric.js';
import { LoopRecords } from './loopback-records.js';
import type { Run } from './run.js';
import { findUserPids } from './user-pids.js';

const GONE_PATIENCE_MS = 3000;
const POLL_MS = 100;

interface LoopbackOptions {
  /** `fabric` below the simulator's directory. */
  fabricDir: string;
  /** This host's name on the fabric, an IQN or a WWPN. */
  initiator: string;
  protocol: Initiators['protocol'];
  /** The daemon's state directory. */
  stateDir: string;
  run: Run;
}

/** Attaches the simulator's LUNs as loop devices. A loop device that it did not make is never touched. */
export function createLoopbackConnector(options: LoopbackOptions): HostConnector {
  return new LoopbackConnector(options);
}

class LoopbackConnector implements HostConnector {
  readonly #initiators: Initiators;
  readonly #folder: string;
  readonly #records: LoopRecords;
  readonly #run: Run;

  constructor({ fabricDir, initiator, protocol, stateDir, run }: LoopbackOptions) {
    this.#initiators = { protocol, names: [initiator] };
    this.#folder = path.join(fabricDir, initiator);
    this.#records = new LoopRecords(path.join(stateDir, 'loopback'));
    this.#run = run;
  }

  async initiators(): Promise<Initiators> {
    return Promise.resolve(this.#initiators);
  }

  async findProblems(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async attach(connection: Connection, signal: AbortSignal): Promise<BlockDevice> {
    const { wwn } = connection;
    const file = await waitForLun(this.#folder, connection, signal);
    const identity = await identifyFile(file);
    const ours = await this.#findLoop(wwn, signal);
    if (ours !== undefined && isSameFile(ours, identity)) {
      await this.#refreshSize(ours, connection, signal);
      return prove(ours, connection);
    }
    // Ours, but cut off: the array has moved the data since (rule 13).
    if (ours !== undefined) await this.detach(wwn, signal);
    await this.#refuseForeign(file, identity, signal);
    const loop = await this.#add(file, { wwn, ...identity }, signal);
    // The array may have moved the data between the look and the attachment.
    const now = await identifyFile(await waitForLun(this.#folder, connection, signal));
    if (isSameFile(now, identity)) return prove(loop, connection);
    await this.detach(wwn, signal);
    throw movedAway(wwn);
  }

  /** There is one loop device for all paths. */
  async addPaths(connection: Connection, signal: AbortSignal): Promise<BlockDevice> {
    const { wwn } = connection;
    const [loop, file] = await Promise.all([
      this.#findLoop(wwn, signal),
      waitForLun(this.#folder, connection, signal).then(identifyFile),
    ]);
    if (loop === undefined) throw new DriverError('unavailable', `volume ${wwn} has no loop device here`);
    if (!isSameFile(loop, file)) throw movedAway(wwn);
    return prove(loop, connection);
  }

  /** A loop device that was cut off stays cut off, whatever comes to its LUN. */
  async lunsInUse(): Promise<number[]> {
    return Promise.resolve([]);
  }

  async find(wwn: string, signal: AbortSignal): Promise<BlockDevice | undefined> {
    const loop = await this.#findLoop(wwn, signal);
    if (loop === undefined) return undefined;
    return { path: loop.path, wwn, sizeBytes: await readLoopSize(loop.path) };
  }

  async isCurrent(wwn: string, signal: AbortSignal): Promise<boolean> {
    const [loop, file] = await Promise.all([this.#findLoop(wwn, signal), findFile(this.#folder, wwn)]);
    return loop !== undefined && file !== undefined && isSameFile(loop, await identifyFile(file));
  }

  async resize(to: { wwn: string; sizeBytes: number }, signal: AbortSignal): Promise<BlockDevice> {
    const loop = await this.#findLoop(to.wwn, signal);
    if (loop === undefined) throw new DriverError('unavailable', `volume ${to.wwn} has no loop device here`);
    await this.#refreshSize(loop, to, signal);
    return prove(loop, to);
  }

  async detach(wwn: string, signal: AbortSignal): Promise<void> {
    const loop = await this.#findLoop(wwn, signal);
    if (loop !== undefined) {
      await proveUnused(loop.path, signal);
      await freeLoopDevice(this.#run, loop.path, signal);
      await this.#waitUntilGone(loop, signal);
    }
    await this.#records.remove(wwn);
  }

  async tidy(): Promise<void> {
    return Promise.resolve();
  }

  /** The loop device of our record, proven by its sequence number, or by its file where the kernel counts none; it may be cut off from the array by now. */
  async #findLoop(wwn: string, signal: AbortSignal): Promise<LoopDevice | undefined> {
    const record = await this.#records.find(wwn);
    if (record === undefined || record.bootId !== (await readBootId())) return undefined;
    const { loop, inode, device } = record;
    if (loop !== undefined && loop.diskSequence !== '') {
      return (await hasSequence(loop)) ? { ...loop, inode, device } : undefined;
    }
    return (await listLoopDevices(this.#run, signal)).find(
      (each) => isSameFile(each, record) && (loop === undefined || each.path === loop.path),
    );
  }

  async #add(file: string, volume: FileIdentity & { wwn: string }, signal: AbortSignal): Promise<LoopDevice> {
    const { wwn, inode, device } = volume;
    const record = { schema: 1 as const, wwn, bootId: await readBootId(), inode, device };
    await this.#records.save(record);
    const made = await addLoopDevice(this.#run, file, signal);
    const loop = (await listLoopDevices(this.#run, signal)).find((each) => each.path === made);
    if (loop !== undefined && isSameFile(loop, volume)) {
      await this.#records.save({ ...record, loop: { path: loop.path, diskSequence: loop.diskSequence } });
      return loop;
    }
    if (loop !== undefined) await freeLoopDevice(this.#run, loop.path, signal);
    throw movedAway(wwn);
  }

  /** A loop device keeps the size that its file had, until it is told. */
  async #refreshSize({ path: device }: LoopDevice, to: { sizeBytes: number }, signal: AbortSignal): Promise<void> {
    if ((await readLoopSize(device)) !== to.sizeBytes) await resizeLoopDevice(this.#run, device, signal);
  }

  async #refuseForeign(file: string, identity: FileIdentity, signal: AbortSignal): Promise<void> {
    const foreign = (await listLoopDevices(this.#run, signal)).find((each) => isSameFile(each, identity));
    if (foreign === undefined) return;
    throw new DriverError('refused', `somebody else has attached ${file} already, as ${foreign.path}`, {
      next: `find out who uses it with: fuser -v ${foreign.path}; then: losetup -d ${foreign.path}`,
    });
  }

  async #isLeft(loop: LoopDevice, signal: AbortSignal): Promise<boolean> {
    if (loop.diskSequence !== '') return hasSequence(loop);
    return (await listLoopDevices(this.#run, signal)).some((each) => each.path === loop.path && isSameFile(each, loop));
  }

  async #waitUntilGone(loop: LoopDevice, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + GONE_PATIENCE_MS;
    for (;;) {
      if (!(await this.#isLeft(loop, signal))) return;
      if (performance.now() > deadline) throw await stillOpen(loop.path);
      await pause(POLL_MS, undefined, { signal });
    }
  }
}

async function prove(
  loop: LoopDevice,
  { wwn, sizeBytes }: Pick<Connection, 'wwn' | 'sizeBytes'>,
): Promise<BlockDevice> {
  const size = await readLoopSize(loop.path);
  if (size === sizeBytes) return { path: loop.path, wwn, sizeBytes };
  throw new DriverError('refused', `${loop.path} has ${size} bytes, but volume ${wwn} has ${sizeBytes}`, {
    next: `compare with showvv; losetup --list ${loop.path} shows the file behind it`,
  });
}

function movedAway(wwn: string): DriverError {
  return new DriverError('unavailable', `the data of volume ${wwn} moved while it was being attached`, {
    next: 'try again; a role change or a power loss on the array explains it',
  });
}

async function stillOpen(devicePath: string): Promise<DriverError> {
  const number = await findDeviceNumber(devicePath);
  const pids = number === undefined ? [] : await findUserPids(number);
  const who = pids.length === 0 ? 'somebody' : `process ${pids.join(', ')}`;
  return new DriverError('busy', `${devicePath} is still open in ${who}; it is freed with the last close`, {
    next: `fuser -v ${devicePath}`,
  });
}

const isSameFile = (a: FileIdentity, b: FileIdentity): boolean => a.inode === b.inode && a.device === b.device;
