import { askActiveSide, findPartner, type ActiveSideFinding } from '../backend/observe.js';
import type { Backend } from '../backend/backend.js';
import type { Records } from '../contracts/store.js';
import { describeApart, type Attachment } from '../domain/attachment.js';
import { otherSide, type Group, type RemoteCopyGroup } from '../domain/replication.js';
import type { Volume } from '../domain/volume.js';
import { about, type Finding } from './finding.js';

interface Known {
  volumes: readonly Volume[];
  attachments: readonly Records['attachment'][];
}

/** A periodic group is late when it has missed two syncs. */
const LATE_PERIODS = 3;

/** How one group on record stands now, by fresh answers of both arrays. */
export async function examineGroup(
  { backend, group, known }: { backend: Backend; group: Group; known: Known },
  signal: AbortSignal,
): Promise<Finding[]> {
  const members = known.volumes.filter(
    ({ spec, state }) => spec.backend === group.backend && spec.replicationGroup === group.name && state === 'ready',
  );
  const [first] = members;
  if (first === undefined) return [];
  const question = { backend, group, arrayName: first.arrayName, everMounted: first.everMounted };
  const finding = await askActiveSide(question, signal);
  // A silent array is told of as such; what it would have said is not guessed here.
  if (finding.views.primary.answer === 'silent' || finding.views.secondary.answer === 'silent') return [];
  return [...judgeRoles(group, finding, backend), ...judgeStale({ backend, group, finding }, known)];
}

function judgeRoles(group: Group, { observation, verdict }: ActiveSideFinding, backend: Backend): Finding[] {
  const find = about(`group ${group.name} of backend ${group.backend}`);
  const compare = `compare "showrcopy groups ${group.name}" and "showrcopy groups ${group.remoteName}" on the two arrays`;
  if (verdict.side === undefined) {
    return [
      find(
        verdict.row === 12 ? 'group-mismatch' : 'group-not-proven',
        `no array is proven to hold the live copy: ${verdict.reason}; its volumes cannot be mounted`,
        verdict.row === 1
          ? 'wait until the group is started and synced'
          : `${compare}; then: hpe-volume-plugin failover plan ${group.name}`,
      ),
    ];
  }
  const active = observation.groups[verdict.side];
  if (active === undefined) return [];
  const target = findPartner(backend, verdict.side, active);
  if (target?.roleReversed === true) {
    return [
      find(
        'group-failed-over',
        `it was failed over: ${backend.array(verdict.side).label} serves it (${target.state}), and until it is back the other array is no way out`,
        `hpe-volume-plugin failback plan ${group.name}`,
      ),
    ];
  }
  if (target?.state !== 'started') {
    return [
      find(
        'group-stopped',
        `it is ${target?.state ?? 'without a partner'}: what is written now is not replicated`,
        `startrcopygroup ${active.name}; why it stopped: showalert, showrcopy links`,
      ),
    ];
  }
  return [...judgeMembers(group, active), ...judgeAge(group, active)];
}

function judgeMembers(group: Group, active: RemoteCopyGroup): Finding[] {
  const lagging = active.members.filter(({ syncStatus }) => syncStatus !== 'synced');
  if (lagging.length === 0) return [];
  return [
    about(`group ${group.name} of backend ${group.backend}`)(
      'group-not-synced',
      `not synced: ${lagging.map(({ volume, syncStatus }) => `${volume} (${syncStatus})`).join(', ')}; a failover now would lose data`,
      `wait, or see why: showrcopy groups ${active.name}`,
    ),
  ];
}

/** For people, so that the clocks of array and host may be compared. */
function judgeAge(group: Group, active: RemoteCopyGroup): Finding[] {
  const period = active.targets.find(({ syncPeriod }) => syncPeriod !== undefined)?.syncPeriod;
  const ages = active.members.flatMap(({ lastSync }) =>
    lastSync === undefined ? [] : [Date.now() - Date.parse(lastSync)],
  );
  const oldest = Math.round(Math.max(0, ...ages) / 1000);
  if (period === undefined || oldest <= LATE_PERIODS * period) return [];
  return [
    about(`group ${group.name} of backend ${group.backend}`)(
      'group-sync-late',
      `its last sync is ${oldest} s old, and its period is ${period} s: a failover now would lose as much`,
      `syncrcopy ${active.name}; see: showrcopy groups ${active.name}, showrcopy links`,
    ),
  ];
}

/** Rule 46. */
function judgeStale(
  { backend, group, finding }: { backend: Backend; group: Group; finding: ActiveSideFinding },
  { attachments }: Known,
): Finding[] {
  const { side } = finding.verdict;
  if (side === undefined) return [];
  const key = `${group.backend}/${group.name}`;
  // With peer persistence it has the paths of both arrays.
  const stale = attachments.filter(
    (each) => each.group === key && each.side === otherSide(side) && each.peer === undefined,
  );
  const moved = attachments.filter((each) => each.group === key && each.apart?.moved === true);
  return [
    ...moved.map(judgeMoved),
    ...stale
      .filter((each) => !moved.includes(each))
      .map(({ volume, nodeName, host, side: old }) =>
        about(`volume ${volume}`)(
          'stale-copy',
          `writing to the stale copy: ${nodeName} is attached to ${backend.array(old).label}, but ${backend.array(side).label} serves group ${group.name}`,
          `stop the containers of ${volume} on ${nodeName} and start them again (host entry ${host})`,
        ),
      ),
  ];
}

const judgeMoved = ({ volume, nodeName, apart }: Attachment): Finding =>
  about(`volume ${volume}`)(
    'stale-copy',
    `on node ${nodeName} from before ${describeApart(apart)}`,
    `stop the containers of ${volume} on ${nodeName} and start them again; see what is missing before that copy is overwritten`,
  );
