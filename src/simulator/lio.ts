import { stat } from 'node:fs/promises';
import type { SimulatedArray } from './array.js';
import type { DeviceCounters, Fabric } from './fabric.js';
import { readDeviceCounters } from './lio-counters.js';
import {
  aclItem,
  aluaSetting,
  cableSettings,
  chapSettings,
  deviceItem,
  enableSettings,
  hbaPath,
  lunItem,
  portItem,
  sizeSetting,
  slotItem,
  targetPath,
} from './lio-items.js';
import type { Item, Setting } from './lio-items.js';
import { planTargets } from './lio-plan.js';
import type { Device, Plan } from './lio-plan.js';
import { runStep, TARGET_ROOT } from './lio-steps.js';
import type { RunStep } from './lio-steps.js';
import { planDeviceRemoval, planTargetRemoval } from './lio-sweep.js';
import { shareData } from './volume-data.js';

/** The fabric `lio`: each port of the arrays is a target of this kernel, each exported volume a LUN of it. */
export class LioFabric implements Fabric {
  readonly #arrays: readonly SimulatedArray[];
  readonly #root: string;
  readonly #run: RunStep;
  /** What this process made, in that order, and the settings that it made. */
  readonly #made = new Map<string, Item>();
  readonly #set = new Map<string, string>();

  constructor(arrays: readonly SimulatedArray[], root = TARGET_ROOT, run = runStep(root)) {
    this.#arrays = arrays;
    this.#root = root;
    this.#run = run;
  }

  /** @throws Error that names the step that the kernel refused; the next call tries again */
  async refresh(arrays: readonly SimulatedArray[]): Promise<void> {
    const plan = planTargets(arrays);
    const cables = plan.ports.flatMap(cableSettings);
    const enables = plan.ports.flatMap(enableSettings);
    // All cables before the first session, whose end takes a while.
    const early = [...cables, ...enables].filter((setting) => setting.early && this.#set.has(setting.id));
    await this.#apply(early);
    for (const { from, to } of plan.shared) await shareData(from, to);
    const items = await itemsOf(plan);
    await this.#removeOthers(items);
    for (const item of items) if (!this.#made.has(item.id)) await this.#make(item);
    const devices = plan.devices.flatMap((device) => [sizeSetting(device), aluaSetting(device)]);
    await this.#apply([...plan.ports.flatMap(chapSettings), ...devices, ...enables, ...cables]);
  }

  /** Takes all targets of these arrays away, whoever made them. */
  async close(): Promise<void> {
    for (const port of planTargets(this.#arrays).ports) {
      for (const step of await planTargetRemoval(this.#root, targetPath(port))) await this.#run(step);
    }
    for (const { systemId } of this.#arrays) {
      for (const step of await planDeviceRemoval(this.#root, hbaPath(systemId))) await this.#run(step);
    }
    this.#made.clear();
    this.#set.clear();
  }

  readCounters(): Promise<DeviceCounters[]> {
    return readDeviceCounters(this.#root, this.#arrays);
  }

  async #removeOthers(items: Item[]): Promise<void> {
    const wanted = new Map(items.map((item) => [item.id, item.version]));
    for (const item of [...this.#made.values()].toReversed()) {
      if (wanted.get(item.id) === item.version) continue;
      for (const step of item.remove) await this.#run(step);
      this.#made.delete(item.id);
      for (const id of this.#set.keys()) if (id.startsWith(`${item.id}/`)) this.#set.delete(id);
    }
  }

  async #make(item: Item): Promise<void> {
    try {
      for (const step of item.make) await this.#run(step);
    } catch (error) {
      // Half of it would be in the way of the next attempt.
      for (const step of item.remove) await this.#run(step).catch(() => undefined);
      throw error;
    }
    this.#made.set(item.id, item);
  }

  async #apply(settings: Setting[]): Promise<void> {
    for (const setting of settings) {
      if (this.#set.get(setting.id) === setting.value) continue;
      const made = setting.madeWithItem === true && !this.#set.has(setting.id);
      for (const step of made ? [] : setting.steps) await this.#run(step);
      this.#set.set(setting.id, setting.value);
    }
  }
}

/** In the order in which they are made: each needs those before it. */
async function itemsOf(plan: Plan): Promise<Item[]> {
  const inodes = new Map<Device, string>();
  for (const device of plan.devices) inodes.set(device, await inodeOf(device.file));
  const inode = (device: Device): string => inodes.get(device) ?? '';
  const items = [
    ...plan.ports.map(portItem),
    ...plan.ports.flatMap((port) => port.initiators.map((initiator) => aclItem(port, initiator))),
    ...plan.devices.map((device) => deviceItem(device, inode(device))),
    ...plan.luns.map(({ port, device }) => slotItem(port, device, inode(device))),
    ...plan.luns.map((lun) => lunItem(lun, inode(lun.device))),
  ];
  return [...new Map(items.map((item) => [item.id, item])).values()];
}

/** A copy of the data is another file: the kernel has the old one open. */
async function inodeOf(file: string): Promise<string> {
  return String((await stat(file, { bigint: true })).ino);
}
