import { readArray } from './array.js';
import type { BackendConfig, ReplicationConfig } from './model.js';
import type { Report } from './problem.js';
import { readReplication } from './replication.js';
import type { Entry } from './scan.js';
import type { Settings } from './settings.js';
import { absolutePath, boolean, cpgNames, driver, oneOf, wholeNumber } from './values.js';

/** One section as a backend. Undefined when something is wrong or missing, which is reported. */
export function readBackend(
  settings: Settings,
  { device, report }: { device: Entry | undefined; report: Report },
): BackendConfig | undefined {
  const protocol = settings.require('hpedockerplugin_driver', driver);
  const array = readArray(settings, protocol);
  const cpgs = settings.require('hpe3par_cpg', cpgNames);
  const snapCpgs = settings.read('hpe3par_snapcpg', cpgNames);
  const cpg = cpgs?.[0];
  const snapCpg = snapCpgs?.[0] ?? cpg;
  const loopbackFabric = settings.read('loopback_fabric', absolutePath);
  const primary = { protocol, array, cpg, snapCpg };
  const replicated = device === undefined ? undefined : readReplication(settings, { device, primary, report });
  const hasWitness = replicated?.replication.quorumWitnessIp !== undefined;
  const rules = readRules(settings, hasWitness);
  const multipath = readMultipath(settings, hasWitness);
  if (protocol === undefined || array === undefined) return undefined;
  if (cpgs === undefined || cpg === undefined || snapCpg === undefined) return undefined;
  return {
    name: settings.place.section,
    protocol,
    ...(loopbackFabric === undefined ? {} : { loopbackFabric }),
    ...multipath,
    chap: protocol === 'iscsi' && (array.chap || replicated?.secondary.chap === true),
    snapshotsFollow: snapCpgs === undefined,
    primary: { ...array, cpg, cpgs, snapCpg },
    ...(replicated === undefined
      ? {}
      : { secondary: replicated.secondary, replication: { ...replicated.replication, ...rules } }),
  };
}

function readMultipath(settings: Settings, hasWitness: boolean): Pick<BackendConfig, 'usesMultipath' | 'minimumPaths'> {
  const usesMultipath = settings.read('use_multipath', boolean) ?? true;
  if (hasWitness && !usesMultipath) {
    settings.complain('error', 'use_multipath', {
      what: 'one path cannot follow the volume from one array to the other, as peer persistence (quorum_witness_ip) wants it',
      fix: 'write true, or remove quorum_witness_ip from replication_device',
    });
  }
  return {
    usesMultipath,
    minimumPaths: settings.read('multipath_minimum_paths', wholeNumber(1, 32, 'paths')) ?? 1,
  };
}

/** How a pair behaves; checked also where nothing is replicated. */
function readRules(
  settings: Settings,
  hasWitness: boolean,
): Pick<ReplicationConfig, 'secondaryWwn' | 'replicationStrict' | 'removeEmptyGroup'> {
  const secondaryWwn = settings.read('secondary_wwn', oneOf(['different', 'same']));
  if (hasWitness && secondaryWwn === 'different') {
    settings.complain('error', 'secondary_wwn', {
      what: 'peer persistence (quorum_witness_ip) needs one WWN for both copies, so that they are one device',
      fix: 'write same, or leave it out; or remove quorum_witness_ip from replication_device',
    });
  }
  return {
    secondaryWwn: secondaryWwn ?? (hasWitness ? 'same' : 'different'),
    replicationStrict: settings.read('replication_strict', boolean) ?? false,
    removeEmptyGroup: settings.read('remove_empty_group', oneOf(['always', 'created'])) ?? 'always',
  };
}
