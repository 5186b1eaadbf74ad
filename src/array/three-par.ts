import type { ArrayClient, ArrayFeatures, ArrayIdentity, ExpiredLicence, PinStore } from '../contracts/array.js';
import type { Logger } from '../contracts/log.js';
import { Cli } from './cli.js';
import { WsapiClones } from './clones.js';
import { Connections } from './connections.js';
import { findCpg } from './cpgs.js';
import { Exports } from './exports.js';
import { Hosts } from './hosts.js';
import { WsapiImports } from './imports.js';
import { WsapiInventory } from './inventory.js';
import { Ports } from './ports.js';
import { WsapiRemoteCopy } from './remote-copy.js';
import { CliSchedules } from './schedules.js';
import { systemAnswer, wsapiAnswer, type SystemAnswer } from './schemas.js';
import type { ArraySettings } from './settings.js';
import { WsapiSnapshots } from './snapshots.js';
import { together } from '../domain/together.js';
import { Vluns } from './vluns.js';
import { WsapiVolumeSets } from './volume-sets.js';
import { Volumes, type FindCluster } from './volumes.js';
import { Wsapi } from './wsapi.js';

interface Deps {
  pins: PinStore;
  logger: Logger;
  /** What other clients may share with this one; nothing, when not given. */
  connections?: Connections;
  /** For the mark in the comments of what is made; none when not given. */
  findCluster?: FindCluster;
}

/** A client for one array. Returns at once: it connects and logs in with its first call. @throws nothing */
export function connectArray(settings: ArraySettings, deps: Deps): ArrayClient {
  const { connections = new Connections(deps) } = deps;
  const wsapi = new Wsapi(settings, connections.take(settings), deps.logger);
  const volumes = new Volumes(wsapi, deps.findCluster);
  const hosts = new Hosts({ wsapi, cpg: settings.cpg, logger: deps.logger });
  const ports = new Ports({ wsapi, portals: settings.portals, logger: deps.logger });
  const vluns = new Vluns(wsapi, hosts);
  const exports = new Exports({ wsapi, hosts, ports, vluns });
  let known: ArrayIdentity | undefined;
  return {
    label: wsapi.label,
    identity: async (signal) => {
      known ??= toIdentity(await wsapi.get({ path: 'system', schema: systemAnswer }, signal));
      return known;
    },
    features: async (signal) => toFeatures(await wsapi.getDated({ path: 'system', schema: systemAnswer }, signal)),
    findCpg: async (name, signal) => findCpg(wsapi, name, signal),
    sessionsInUse: async (signal) =>
      (await wsapi.get({ path: 'wsapiconfiguration', schema: wsapiAnswer }, signal)).sessionsInUse,
    lastContact: () => wsapi.lastContact,
    access: () => wsapi.access,
    findVolume: async (name, signal) => volumes.find(name, signal),
    makeVolume: async (wanted, signal) => volumes.make(wanted, signal),
    tagVolume: async (name, tag, signal) => volumes.tag(name, tag, signal),
    tagCopy: async (name, tag, signal) => volumes.tagCopy(name, tag, signal),
    growVolume: async (wanted, signal) => volumes.grow(wanted, signal),
    removeVolume: async (name, tag, signal) => {
      await volumes.remove(name, tag, signal);
    },
    deleteVolume: async (found, tag, signal) => volumes.delete(found, tag, signal),
    // An export follows, which needs the ports; whoever looks for the host first has them by then.
    ensureHost: async (name, initiators, signal) =>
      (await together([hosts.ensure(name, initiators, signal), ports.list(signal)]))[0],
    findHost: async (initiators, signal) => {
      const likely = hosts.likelyOwner(initiators);
      const looks = [ports.list(signal).catch(() => []), likely && exports.lookAhead(likely, signal)];
      return (await together([hosts.findOwner(initiators, signal), ...looks]))[0];
    },
    findExport: async (volume, host, signal) => exports.find(volume, host, signal),
    ensureVlun: async (volume, to, signal) => exports.ensure(volume, to, signal),
    targetNames: async (protocol, signal) => ports.names(protocol, signal),
    findVluns: async (volume, signal) => vluns.find(volume, signal),
    lookBeforeRemoval: (volume, host, signal) => {
      vluns.lookBeforeRemoval(volume, host, signal);
    },
    removeVluns: async (volume, host, signal) => {
      await vluns.remove(volume, host, signal);
    },
    volumeSets: new WsapiVolumeSets(wsapi),
    remoteCopy: new WsapiRemoteCopy(wsapi, deps.logger),
    inventory: new WsapiInventory(wsapi),
    snapshots: new WsapiSnapshots(wsapi, volumes),
    clones: new WsapiClones(wsapi, volumes),
    imports: new WsapiImports(wsapi, volumes),
    schedules: new CliSchedules(new Cli(settings.label, settings.ssh, deps)),
    close: async () => {
      await wsapi.close();
    },
  };
}

const toIdentity = (answer: SystemAnswer): ArrayIdentity => ({
  systemId: answer.id,
  name: answer.name,
  osVersion: answer.systemVersion,
});

/** A licence that has run out is none, by the clock of the array that judges it (rule 43); one that tells no time is believed. */
function toFeatures({ answer, at }: { answer: SystemAnswer; at: Date | undefined }): ArrayFeatures {
  const { systemVersion: osVersion, licenseInfo } = answer;
  const listed = licenseInfo?.licenses;
  if (listed === undefined) return { osVersion };
  const licences: string[] = [];
  const expired: ExpiredLicence[] = [];
  for (const { name, expiryTimeSec = 0 } of listed) {
    const end = new Date(expiryTimeSec * 1000);
    if (at === undefined || !(expiryTimeSec > 0) || end > at) licences.push(name);
    else expired.push({ name, at: end.toISOString() });
  }
  return { osVersion, licences, ...(expired.length === 0 ? {} : { expired }) };
}
