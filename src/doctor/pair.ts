import type { BackendConfig } from '../config/config.js';
import { labelOf, type ExaminedArray } from './array.js';
import { about, type Finding } from './finding.js';

interface Pair {
  backend: BackendConfig;
  primary: ExaminedArray;
  secondary: ExaminedArray;
}

/** What is wrong between the two arrays of a backend. @throws when one of them does not answer, which is told elsewhere */
export async function examinePair({ backend, primary, secondary }: Pair, signal: AbortSignal): Promise<Finding[]> {
  const { replication } = backend;
  if (replication === undefined) return [];
  const find = about(`pair of backend ${backend.name}`);
  const [one, other] = await Promise.all([primary.client.identity(signal), secondary.client.identity(signal)]);
  if (one.systemId === other.systemId) {
    return [
      find(
        'pair-same-array',
        `both addresses lead to array ${one.name} (system id ${one.systemId})`,
        'correct hpe3par_api_url in replication_device',
      ),
    ];
  }
  const targets = await primary.copyTargets(signal);
  const target = targets.find(({ name }) => name === replication.target);
  const known = targets.map(({ name }) => name).join(', ');
  if (target === undefined) {
    return [
      find(
        'pair-target',
        `${labelOf(backend, 'primary')} knows no remote copy target ${replication.target}; it knows ${known === '' ? 'none' : known}`,
        'correct backend_id in replication_device; see: showrcopy targets',
      ),
    ];
  }
  if (target.systemId !== undefined && target.systemId !== other.systemId) {
    return [
      find(
        'pair-target-elsewhere',
        `target ${target.name} is the array with system id ${target.systemId}, but the secondary array is ${other.name} with ${other.systemId}`,
        'correct backend_id, or hpe3par_api_url in replication_device; see: showrcopy targets',
      ),
    ];
  }
  return [
    ...(await examineWitness({ backend, primary }, signal)),
    ...(await examineLinks({ backend, primary, secondary }, signal)),
    ...(await examineModes({ backend, primary }, signal)),
  ];
}

/** Peer persistence: without the witness nothing fails over by itself. */
async function examineWitness({ backend, primary }: Omit<Pair, 'secondary'>, signal: AbortSignal): Promise<Finding[]> {
  const { replication } = backend;
  const witness = replication?.quorumWitnessIp;
  if (replication === undefined || witness === undefined) return [];
  const found = await primary.client.remoteCopy.findWitness(replication.target, signal);
  if (found?.toLowerCase() === witness.toLowerCase()) return [];
  return [
    about(`pair of backend ${backend.name}`)(
      'pair-witness',
      `hpe.conf names the quorum witness ${witness}, but the primary array has ${found ?? 'none'} for target ${replication.target}, so nothing fails over by itself as it should`,
      'see: showrcopy -qw targets; set it up there (setrcopytarget witness), or correct quorum_witness_ip',
    ),
  ];
}

async function examineLinks({ backend, primary, secondary }: Pair, signal: AbortSignal): Promise<Finding[]> {
  const target = backend.replication?.target ?? '';
  const back = await secondary.copyTargets(signal);
  const onlyBack = back.length === 1 ? back[0]?.name : undefined;
  const [there, here] = await Promise.all([
    primary.client.remoteCopy.linksUp(target, signal),
    onlyBack === undefined ? undefined : secondary.client.remoteCopy.linksUp(onlyBack, signal),
  ]);
  const down = [
    ...(there === true ? [] : [`${labelOf(backend, 'primary')} has no link to ${target} that is up`]),
    ...(here === false ? [`${labelOf(backend, 'secondary')} has no link to ${onlyBack} that is up`] : []),
  ];
  if (down.length === 0) return [];
  return [
    about(`pair of backend ${backend.name}`)(
      'pair-links',
      `${down.join('; ')}: nothing is replicated`,
      'see: showrcopy links, on both arrays; and the network between the RCIP or RCFC ports: showport -rcip',
    ),
  ];
}

/** Arrays refuse to start groups of two modes on one target (reference 6.1). */
async function examineModes({ backend, primary }: Omit<Pair, 'secondary'>, signal: AbortSignal): Promise<Finding[]> {
  const { target = '', mode = '' } = backend.replication ?? {};
  const groups = await primary.client.remoteCopy.listGroups(signal);
  const others = groups.flatMap((group) =>
    group.targets
      .filter((each) => each.name === target && each.mode !== mode && each.state === 'started')
      .map((each) => `${group.name} (${each.mode})`),
  );
  if (others.length === 0) return [];
  return [
    about(`pair of backend ${backend.name}`)(
      'pair-mode',
      `groups of another mode than ${mode} are started on target ${target}: ${others.join(', ')}; the array will not start new ones of ours beside them`,
      `set replication_mode to theirs, or use another target; see: showrcopy`,
    ),
  ];
}
