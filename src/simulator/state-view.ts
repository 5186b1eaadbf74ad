import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import type { Group } from './model.js';
import { activeVluns, formatPos } from './vluns.js';

/** Everything about the pair in words, for people and tests (`GET /state` of the control interface). */
export async function viewState(pair: ArrayPair): Promise<object> {
  const devices = await pair.fabric.readCounters?.();
  return {
    linkUp: pair.linkUp,
    connected: pair.connected,
    witness: pair.witness,
    witnessUp: pair.witnessUp,
    latencyMs: pair.latencyMs,
    syncHold: pair.syncHold,
    copySeconds: pair.copySeconds,
    copyHold: pair.copyHold,
    arrays: pair.arrays.map(viewArray),
    ...(devices && { devices }),
  };
}

function viewArray(array: SimulatedArray): object {
  return {
    name: array.name,
    systemId: array.systemId,
    power: array.powered,
    sessions: array.sessions.size,
    targetName: array.targetName,
    now: array.now(),
    volumes: [...array.volumes.values()].map((volume) => ({
      ...volume,
      parent: volume.parent?.name,
      copy: volume.copy && { ...volume.copy, of: volume.copy.of.name },
      group: array.findGroupOf(volume)?.name,
      dataFile: array.dataFile(volume),
    })),
    // The name of a host's CHAP, not the secret.
    hosts: [...array.hosts.values()].map((host) => ({ ...host, chap: host.chap?.name })),
    vluns: array.vluns.map(({ volume, lun, host, pos }) => ({
      volume: volume.name,
      lun,
      host: host?.name,
      port: pos && formatPos(pos),
    })),
    activeVluns: activeVluns(array).map(({ volume, lun, host, port, initiator }) => ({
      volume: volume.name,
      lun,
      host: host.name,
      port: formatPos(port.pos),
      initiator,
    })),
    groups: [...array.groups.values()].map(viewGroup),
    volumeSets: [...array.volumeSets.values()].map((set) => ({
      ...set,
      members: set.members.map((each) => each.name),
    })),
    schedules: [...array.schedules.values()].map(({ name, command, times, suspended, nextRun }) => ({
      name,
      command,
      times: times.fields.join(' '),
      suspended,
      nextRun,
    })),
    flashCache: array.flashCache,
    licenses: array.licenses,
    tasks: [...array.tasks.values()].map((task) => ({ ...task, volumes: task.volumes.map((each) => each.name) })),
  };
}

function viewGroup(group: Group): object {
  return {
    ...group,
    members: group.members.map((member) => ({ ...member, local: member.local.name, remote: member.remote.name })),
  };
}
