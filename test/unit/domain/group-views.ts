import type { Apart } from '../../../src/domain/attachment.js';
import type { SideView } from '../../../src/domain/active-side.js';
import type { GroupReport, GroupVolume } from '../../../src/domain/group-report.js';
import type { GroupMember, ReplicationMode, Side, SyncStatus } from '../../../src/domain/replication.js';

/** How an array's answer is written here: `P`rimary or `S`econdary, `r` reversed, then state and links. */
export interface Answer {
  /** `P`, `S`, `Pr`, `Sr`; `silent`, or `mismatch`. */
  says: 'P' | 'S' | 'Pr' | 'Sr' | 'silent' | 'mismatch';
  state?: Extract<SideView, { answer: 'group' }>['state'];
  links?: boolean;
  sync?: SyncStatus;
}

export interface Scene {
  primary: Answer;
  secondary: Answer;
  mode?: ReplicationMode;
  lastActive?: Side;
  /** ISO 8601, of both members. */
  lastSync?: string;
  /** Who uses `db`: its side, and `node1` (this one), or another one. */
  used?: { side: Side; node?: string; isAlive?: boolean; isOnBoth?: true; apart?: Apart };
  hasSwitchover?: true;
  generation?: number;
}

/** A group RCG1 with the volume `db` (array name `dcv-db`), seen at noon. */
export function reportOf(scene: Scene): GroupReport {
  const { used } = scene;
  const node = used?.node ?? 'node1';
  const volume: GroupVolume = {
    name: 'db',
    arrayName: 'dcv-db',
    sizeGiB: 10,
    everMounted: true,
    generation: scene.generation ?? 1,
    ...(used === undefined
      ? {}
      : {
          use: {
            node: `id-of-${node}`,
            nodeName: node,
            side: used.side,
            isHere: node === 'node1',
            isAlive: used.isAlive ?? true,
            ...(used.isOnBoth === undefined ? {} : { isOnBoth: true }),
            ...(used.apart === undefined ? {} : { apart: used.apart }),
          },
        }),
  };
  const side = (which: Side, group: string) => ({
    array: `${which} array of backend DEFAULT`,
    group,
    view: viewOf(scene[which]),
    members: membersOf(scene[which], scene.lastSync),
  });
  return {
    backend: 'DEFAULT',
    name: 'RCG1',
    mode: scene.mode ?? 'synchronous',
    ...(scene.hasSwitchover === undefined ? {} : { hasSwitchover: true }),
    at: '2026-11-28T12:00:00.000Z',
    sides: { primary: side('primary', 'RCG1'), secondary: side('secondary', 'RCG1.r7') },
    lastActive: scene.lastActive ?? 'primary',
    strict: false,
    volumes: [volume],
    strangers: [],
  };
}

function viewOf({ says, state = 'started', links = true, sync = 'synced' }: Answer): SideView {
  if (says === 'silent') return { answer: 'silent', reason: 'no route' };
  if (says === 'mismatch') return { answer: 'mismatch', what: 'has no remote copy group RCG1' };
  return {
    answer: 'group',
    role: says.startsWith('P') ? 'primary' : 'secondary',
    reversed: says.endsWith('r'),
    state,
    linksUp: links,
    lagging: sync === 'synced' ? [] : [{ volume: 'dcv-db', status: sync }],
  };
}

function membersOf({ says, sync = 'synced' }: Answer, lastSync: string | undefined): GroupMember[] {
  if (says === 'silent' || says === 'mismatch') return [];
  const member = { volume: 'dcv-db', remoteVolume: 'dcv-db', syncStatus: sync };
  return [lastSync === undefined ? member : { ...member, lastSync }];
}
