import type { SimulatedArray } from './array.js';
import { viewLicense } from './licenses.js';
import type { Cpg, Port, PortPos } from './model.js';
import { collection, OK, param } from './wsapi-route.js';
import type { Route } from './wsapi-route.js';

/** reference 1.3. Answered without a session, outside `/api/v1`. */
export function apiVersion(array: SimulatedArray): object {
  return { major: 1, minor: minorOf(array.os), revision: 0, build: buildOf(array.os) };
}

function minorOf(os: string): number {
  if (os < '3.2.2') return 4;
  return os < '3.3.0' ? 5 : 6;
}

/** M·mm·rr·bbb */
function buildOf(os: string): number {
  const [major = 3, minor = 3, release = 1] = os.split('.').map(Number);
  return major * 10_000_000 + minor * 100_000 + release * 1000 + 215;
}

/** reference 1.4, 3 */
export const SYSTEM_ROUTES: Route[] = [
  {
    method: 'GET',
    path: '/wsapiconfiguration',
    handle: ({ array }) => ({
      status: 200,
      body: {
        httpState: 'Disabled',
        httpPort: 8008,
        httpsState: 'Enabled',
        httpsPort: 8080,
        version: `1.${minorOf(array.os)}.0`,
        sessionsInUse: array.sessions.size,
        systemResourceUsage: 48,
      },
    }),
  },
  {
    method: 'DELETE',
    path: '/credentials/:key',
    handle: (request) => {
      request.array.sessions.delete(param(request, 'key'));
      return OK;
    },
  },
  { method: 'GET', path: '/system', handle: ({ array }) => ({ status: 200, body: viewSystem(array) }) },
  { method: 'GET', path: '/cpgs', handle: ({ array }) => collection(array.cpgs.map((cpg) => viewCpg(array, cpg))) },
  {
    method: 'GET',
    path: '/cpgs/:name',
    handle: (request) => ({
      status: 200,
      body: viewCpg(request.array, request.array.getCpg(param(request, 'name'))),
    }),
  },
  { method: 'GET', path: '/ports', handle: ({ array }) => collection(array.ports.map(viewPort)) },
];

const CAPACITY_MIB = 100 * 1024 * 1024;

/** reference 3.1 */
function viewSystem(array: SimulatedArray): object {
  const allocated = [...array.volumes.values()].reduce(
    (sum, volume) => sum + (volume.provisioning === 'full' ? volume.sizeMiB : 0),
    0,
  );
  return {
    id: array.systemId,
    name: array.name,
    systemVersion: `${array.os}.215`,
    IPv4Addr: '127.0.0.1',
    model: 'HP_3PAR 8400',
    serialNumber: `16${array.systemId}`,
    totalNodes: 2,
    masterNode: 0,
    onlineNodes: [0, 1],
    clusterNodes: [0, 1],
    chunkletSizeMiB: 1024,
    totalCapacityMiB: CAPACITY_MIB,
    allocatedCapacityMiB: allocated,
    freeCapacityMiB: CAPACITY_MIB - allocated,
    failedCapacityMiB: 0,
    timeZone: 'UTC',
    licenseInfo: {
      issueTimeSec: 1_400_000_000,
      issueTime8601: '2014-05-13T16:53:20+00:00',
      diskCount: 24,
      licenses: array.licenses.map(viewLicense),
      licenseState: {},
    },
    parameters: {
      VVRetentionTimeMax: 1_209_600,
      sessionTimeout: 3600,
      failoverMatchedSet: true,
      portFailoverEnabled: true,
    },
  };
}

/** reference 3.2 */
function viewCpg(array: SimulatedArray, cpg: Cpg): object {
  const volumes = [...array.volumes.values()].filter((volume) => volume.cpg === cpg.name);
  const count = (provisioning: string): number => volumes.filter((each) => each.provisioning === provisioning).length;
  const usage = { totalMiB: 0, rawTotalMiB: 0, usedMiB: 0, rawUsedMiB: 0 };
  const growth = { incrementMiB: 8192, LDLayout: { HA: 2, RAIDType: 4, setSize: 6, diskPatterns: [{ diskType: 3 }] } };
  return {
    id: cpg.id,
    uuid: `00000000-0000-4000-8000-${(array.systemId * 1000 + cpg.id).toString(16).padStart(12, '0')}`,
    name: cpg.name,
    ...(cpg.domain !== undefined && { domain: cpg.domain }),
    numFPVVs: count('full'),
    numTPVVs: count('tpvv'),
    numTDVVs: count('tdvv'),
    UsrUsage: usage,
    SAUsage: usage,
    SDUsage: usage,
    SAGrowth: growth,
    SDGrowth: growth,
    state: 1,
    failedStates: [],
    degradedStates: [],
    additionalStates: [],
    dedupCapable: true,
  };
}

/** reference 3.3; the numbers are mode, linkState, protocol and type. */
function viewPort(port: Port): object {
  const view = { fc: viewFcPort, iscsi: viewIscsiPort, rcip: viewRcipPort }[port.kind];
  return { portPos: port.pos, linkState: port.ready ? 4 : 10, ...view(port) };
}

const viewFcPort = ({ pos, wwn }: Port): object => ({
  mode: 2,
  protocol: 1,
  type: 1,
  nodeWWN: `2FF7${wwn?.slice(4)}`,
  portWWN: wwn,
  label: `FC${pos.node}`,
  device: [],
  failoverState: 1,
});

const viewIscsiPort = ({ pos, ip, iqn }: Port): object => ({
  mode: 2,
  protocol: 2,
  type: 8,
  HWAddr: hardwareAddress(pos),
  IPAddr: ip,
  iSCSIName: iqn,
  iSCSIPortInfo: {
    IPAddr: ip,
    netmask: '255.255.255.0',
    gateway: '0.0.0.0',
    mtu: 1500,
    rate: '10Gbps',
    stgt: pos.node + 1,
    tpgt: pos.node + 1,
    iSNSAddr: '0.0.0.0',
    iSNSPort: 3205,
    vlan: 0,
    iSCSIName: iqn,
  },
});

const viewRcipPort = ({ pos, ip }: Port): object => ({
  mode: 4,
  protocol: 4,
  type: 7,
  HWAddr: hardwareAddress(pos),
  IPAddr: ip,
  label: `RCIP${pos.node}`,
});

const hardwareAddress = ({ node, slot, cardPort }: PortPos): string => `0202AC${node}${slot}0${cardPort}00`;
