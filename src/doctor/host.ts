import type { BackendConfig } from '../config/config.js';
import { asDriverError } from '../domain/errors.js';
import { about, type Finding, type FindingId } from './finding.js';

/** How the host is asked. */
export interface ExaminedHost {
  /** Runs a tool, through `host_command_prefix`; what it printed, or undefined when it could not be started at all. */
  run(tool: string, args: string[]): Promise<string | undefined>;
  /** What the connector of that backend finds wrong: `what; next: fix`. @throws DriverError */
  findProblems(backend: string): Promise<string[]>;
  /** A kernel module that is loaded, or built in, or can be loaded. */
  hasModule(name: string): Promise<boolean>;
}

interface Tool {
  name: string;
  /** Asks it for nothing but its version. */
  args: string[];
  from: string;
}

const ALWAYS: readonly Tool[] = [
  { name: 'mount', args: ['--version'], from: 'mount, util-linux' },
  { name: 'umount', args: ['--version'], from: 'mount, util-linux' },
  { name: 'blkid', args: ['--version'], from: 'util-linux' },
  { name: 'blockdev', args: ['--version'], from: 'util-linux' },
  { name: 'mkfs.ext4', args: ['-V'], from: 'e2fsprogs' },
  { name: 'debugfs', args: ['-V'], from: 'e2fsprogs' },
  { name: 'dumpe2fs', args: ['-V'], from: 'e2fsprogs' },
  { name: 'tune2fs', args: ['-V'], from: 'e2fsprogs' },
];
const SAN: readonly Tool[] = [
  { name: 'udevadm', args: ['--version'], from: 'udev' },
  { name: '/usr/lib/udev/scsi_id', args: ['--version'], from: 'udev' },
];
const ISCSI: readonly Tool[] = [{ name: 'iscsiadm', args: ['--version'], from: 'open-iscsi, iscsi-initiator-utils' }];
const MULTIPATH: readonly Tool[] = [
  { name: 'multipath', args: ['-h'], from: 'multipath-tools, device-mapper-multipath' },
  { name: 'dmsetup', args: ['--version'], from: 'dmsetup, device-mapper' },
];
const LOOPBACK: readonly Tool[] = [{ name: 'losetup', args: ['--version'], from: 'mount, util-linux' }];
const XFS: readonly Tool[] = [{ name: 'mkfs.xfs', args: ['-V'], from: 'xfsprogs' }];

/** What of this host is wrong for the volumes of these backends. */
export async function examineHost(host: ExaminedHost, backends: readonly BackendConfig[]): Promise<Finding[]> {
  if ((await host.run('cat', ['/dev/null'])) === undefined) {
    return [
      about('this host')(
        'host-prefix',
        'none of its tools can be run, not even cat',
        'correct host_command_prefix in hpe.conf; a managed plugin needs no such line (it is: nsenter --mount=/proc/1/ns/mnt --ipc=/proc/1/ns/ipc --)',
      ),
    ];
  }
  const [tools, modules, settings] = await Promise.all([
    examineTools(host, backends),
    examineModules(host, backends),
    Promise.all(backends.map(async ({ name }) => examineSettings(host, name))),
  ]);
  return [...tools, ...modules, ...settings.flat()];
}

const realOnes = (backends: readonly BackendConfig[]): BackendConfig[] =>
  backends.filter(({ loopbackFabric }) => loopbackFabric === undefined);

async function examineTools(host: ExaminedHost, backends: readonly BackendConfig[]): Promise<Finding[]> {
  const find = about('this host');
  const real = realOnes(backends);
  const needed = [
    ...ALWAYS,
    ...(real.length > 0 ? SAN : []),
    ...(real.some(({ protocol }) => protocol === 'iscsi') ? ISCSI : []),
    ...(real.some(({ usesMultipath }) => usesMultipath) ? MULTIPATH : []),
    ...(real.length < backends.length ? LOOPBACK : []),
  ];
  const ask = async (tool: Tool) => ({ ...tool, said: await host.run(tool.name, tool.args) });
  const [tools, xfs] = await Promise.all([Promise.all(needed.map(ask)), Promise.all(XFS.map(ask))]);
  const missing = tools
    .filter(({ said }) => said === undefined)
    .map(({ name, from }) => find('host-tool', `there is no ${name}`, `install the package that has it: ${from}`));
  const noXfs = xfs
    .filter(({ said }) => said === undefined)
    .map(({ name, from }) =>
      find('host-tool-xfs', `there is no ${name}, so volumes with fsType=xfs cannot be made here`, `install ${from}`),
    );
  const versions = tools.flatMap(({ name, said = '' }) => {
    const version = /\d+(?:\.\d+)+(?:[-\w]*)?/.exec(said)?.[0];
    return version === undefined ? [] : [`${name} ${version}`];
  });
  return [...missing, ...noXfs, find('host-versions', versions.join(', '), '')];
}

async function examineModules(host: ExaminedHost, backends: readonly BackendConfig[]): Promise<Finding[]> {
  const real = realOnes(backends);
  const wanted = [
    ...(real.some(({ usesMultipath }) => usesMultipath) ? ['dm_multipath'] : []),
    ...(real.some(({ protocol }) => protocol === 'iscsi') ? ['iscsi_tcp'] : []),
    ...(real.length < backends.length ? ['loop'] : []),
  ];
  const there = await Promise.all(wanted.map(async (name) => host.hasModule(name)));
  return wanted
    .filter((_name, at) => there[at] === false)
    .map((name) =>
      about('this host')(
        'host-module',
        `the running kernel has no module ${name}`,
        `modprobe ${name}; if there is none: install the modules of this kernel (uname -r), or boot the one that is installed`,
      ),
    );
}

/** By the words of the connectors; the first that fits. */
const SETTINGS: readonly [RegExp, FindingId][] = [
  [/iSCSI name/, 'host-initiator-name'],
  [/iscsid does not run/, 'host-iscsid'],
  [/no Fibre Channel port/, 'host-fc-port'],
  [/scans Fibre Channel by itself/, 'host-fc-scan'],
  [
    /multipathd is not installed|multipathd does not answer|configuration of multipathd cannot be read/,
    'host-multipathd',
  ],
  [/find_multipaths/, 'host-find-multipaths'],
  [/multipathd knows no device/, 'host-multipath-device'],
  [/waits for ever/, 'host-multipath-queue'],
  [/blacklist of multipathd/, 'host-multipath-blacklist'],
  [/instead of (?:group_by_prio|alua|immediate|"1 alua")|^no_path_retry is/, 'host-multipath-setting'],
];

async function examineSettings(host: ExaminedHost, backend: string): Promise<Finding[]> {
  const find = about('this host');
  try {
    return (await host.findProblems(backend)).map((problem) => {
      const [what = problem, ...next] = problem.split('; next: ');
      const id = SETTINGS.find(([words]) => words.test(what))?.[1] ?? 'host-unknown';
      return find(id, what, next.join('; next: '));
    });
  } catch (thrown) {
    const { message, next } = asDriverError(thrown);
    return [find('host-unknown', `its settings could not be looked at: ${message}`, next ?? 'try again')];
  }
}
