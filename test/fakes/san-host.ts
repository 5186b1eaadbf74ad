import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  existsSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommandError, type Run } from '../../src/host/run.js';

const WWID = 'naa.';

export interface FakeDisk {
  name: string;
  /** `host:channel:target:lun` */
  address: string;
  /** As the kernel remembers it. */
  wwn: string;
  /** What it answers now; the same by default, `undefined` for a dead path. */
  answers?: string | undefined;
  sectors?: number;
}

interface Answer {
  exitCode?: number;
  stdout?: string;
  stderr?: string;
  reason?: string;
}

/**
 * A host with a SAN, in a folder: what of sysfs the connectors read, and Linux tools that change it as the real ones do. Its
 * array shows `luns`, and multipathd makes a map of everything that is scanned.
 */
export class FakeSanHost {
  readonly root = mkdtempSync(path.join(tmpdir(), 'san-host-'));
  readonly sysRoot = path.join(this.root, 'sys');
  readonly devRoot = path.join(this.root, 'dev');
  readonly stateDir = path.join(this.root, 'state');
  /** Argument lists of every tool that ran, with what was written to a file behind `<`. */
  readonly ran: string[][] = [];
  /** WWN by `host:lun`: what a scan finds. */
  readonly luns = new Map<string, string>();
  /** What a tool answers instead of doing its work: by the beginning of its command line. */
  readonly failures = new Map<string, Answer>();
  /** Portals that answer, with the number of the SCSI host that a session gets. */
  readonly portals = new Map<string, number>();
  /** open-iscsi's node records by portal. */
  readonly nodes = new Map<string, string[]>();
  makesMaps = true;
  /** Sectors that the volume with that WWN has by now, on the array. */
  readonly grown = new Map<string, number>();
  /** A block device that stands for every map, so that it can be opened and held. */
  readonly #mapNode: string;
  readonly #disks = new Map<string, Required<FakeDisk>>();
  readonly #inactive = new Set<string>();

  constructor(mapNode: string) {
    this.#mapNode = mapNode;
    for (const folder of [
      'block',
      'class/scsi_device',
      'class/scsi_host',
      'class/iscsi_session',
      'class/iscsi_connection',
    ]) {
      mkdirSync(path.join(this.sysRoot, folder), { recursive: true });
    }
    mkdirSync(path.join(this.devRoot, 'mapper'), { recursive: true });
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Names of the SCSI disks and maps that there are. */
  get devices(): string[] {
    return readdirSync(path.join(this.sysRoot, 'block'));
  }

  /** What was scanned, sorted. */
  get scans(): string[] {
    const scans = this.ran.filter(([command, file]) => command === 'tee' && file?.endsWith('/scan'));
    return scans.map((argv) => argv.join(' ')).toSorted((a, b) => a.localeCompare(b));
  }

  /** A session of open-iscsi on the SCSI host with that number. */
  addSession(
    host: number,
    { target, portal, state = 'LOGGED_IN' }: { target: string; portal: string; state?: string },
  ): void {
    const folder = `devices/platform/host${host}/session${host}`;
    const [address = '', port = ''] = portal.split(':');
    this.#file(`${folder}/iscsi_session/session${host}/targetname`, target);
    this.#file(`${folder}/iscsi_session/session${host}/state`, state);
    this.#file(`${folder}/iscsi_session/session${host}/target_id`, '0');
    this.#link(`${folder}/iscsi_session/session${host}/device`, folder);
    this.#link(`class/iscsi_session/session${host}`, `${folder}/iscsi_session/session${host}`);
    this.#file(`class/iscsi_connection/connection${host}:0/persistent_address`, address);
    this.#file(`class/iscsi_connection/connection${host}:0/persistent_port`, port);
    this.#file(`class/scsi_host/host${host}/scan`, '');
  }

  /** An HBA that is online, and a target port that it sees. */
  addRemotePort(host: number, { hba, port, target = 0 }: { hba: string; port: string; target?: number }): void {
    this.#file(`class/fc_host/host${host}/port_state`, 'Online');
    this.#file(`class/fc_host/host${host}/port_name`, `0x${hba}`);
    const remote = `class/fc_remote_ports/rport-${host}:0-${target}`;
    this.#file(`${remote}/port_name`, `0x${port}`);
    this.#file(`${remote}/port_state`, 'Online');
    this.#file(`${remote}/scsi_target_id`, String(target));
    this.#file(`class/scsi_host/host${host}/scan`, '');
  }

  setScanMode(mode: string): void {
    this.#file('module/scsi_mod/parameters/scan', mode);
  }

  addDisk(disk: FakeDisk): void {
    const { name, address, wwn, sectors = 614_400 } = disk;
    const [host = '', , target = ''] = address.split(':');
    const isFc = existsSync(path.join(this.sysRoot, `class/fc_host/host${host}`));
    const above = isFc
      ? `devices/pci0000:00/host${host}/rport-${host}:0-${target}`
      : `devices/platform/host${host}/session${host}`;
    const device = `${above}/target${host}:0:${target}/${address}`;
    this.#file(`${device}/wwid`, WWID + wwn);
    this.#file(`${device}/vendor`, '3PARdata');
    this.#file(`${device}/model`, 'VV              ');
    this.#file(`${device}/delete`, '');
    const block = `${device}/block/${name}`;
    const index = name.charCodeAt(2) - 'a'.charCodeAt(0);
    this.#file(`${block}/dev`, `8:${index * 16}`);
    this.#file(`${block}/size`, String(sectors));
    this.#link(`${block}/device`, device);
    mkdirSync(path.join(this.sysRoot, block, 'holders'), { recursive: true });
    this.#link(`block/${name}`, block);
    this.#link(`class/scsi_device/${address}/device`, device);
    writeFileSync(path.join(this.devRoot, name), '');
    this.#disks.set(name, { answers: wwn, sectors, ...disk });
  }

  addMap(wwn: string, { paths, kernelName = 'dm-0' }: { paths: string[]; kernelName?: string }): void {
    const folder = `devices/virtual/block/${kernelName}`;
    this.#file(`${folder}/size`, String(this.#disks.get(paths[0] ?? '')?.sectors ?? 614_400));
    this.#file(`${folder}/dm/uuid`, `mpath-3${wwn}`);
    this.#file(`${folder}/dm/name`, `3${wwn}`);
    mkdirSync(path.join(this.sysRoot, folder, 'holders'), { recursive: true });
    for (const name of paths) {
      this.#link(`${folder}/slaves/${name}`, `block/${name}`);
      this.#link(`block/${name}/holders/${kernelName}`, folder);
    }
    this.#link(`block/${kernelName}`, folder);
    symlinkSync(this.#mapNode, path.join(this.devRoot, 'mapper', `3${wwn}`));
  }

  /** As multipathd does with a new path; one that is there already stays. */
  addPathToMap(wwn: string, disk: string): void {
    const kernelName = this.devices.find((each) => this.#read(`block/${each}/dm/name`) === `3${wwn}`) ?? '';
    this.#link(`devices/virtual/block/${kernelName}/slaves/${disk}`, `block/${disk}`);
    this.#link(`block/${disk}/holders/${kernelName}`, `devices/virtual/block/${kernelName}`);
  }

  /** Something, e.g. LVM, is built on the disk or map. */
  addHolder(name: string, holder: string): void {
    this.#link(`block/${name}/holders/${holder}`, 'devices');
  }

  setActive(name: string, isActive: boolean): void {
    if (isActive) this.#inactive.delete(name);
    else this.#inactive.add(name);
  }

  readonly run: Run = async (command, args, { input, signal }) => {
    signal?.throwIfAborted();
    this.ran.push([command, ...args, ...(input === undefined ? [] : ['<', input])]);
    const line = [command, ...args].join(' ');
    const told = [...this.failures].find(([start]) => line.startsWith(start))?.[1];
    const answer = told ?? this.#work(command, args, input ?? '');
    const { exitCode = 0, stdout = '', stderr = '', reason } = answer;
    if (exitCode === 0 && reason === undefined) return Promise.resolve({ stdout, stderr });
    const outcome = { command, args, stdout, stderr, ...(reason === undefined ? {} : { reason }) };
    throw new CommandError({ ...outcome, exitCode: reason === undefined ? exitCode : undefined });
  };

  #work(command: string, args: string[], input: string): Answer {
    const [first = '', second = ''] = args;
    if (command === 'tee' && first.endsWith('/scan')) return this.#scan(first, input);
    if (command === 'tee' && first.endsWith('/delete')) return this.#delete(first);
    if (command === 'tee' && first.endsWith('/device/rescan')) return this.#rescan(first);
    if (command === 'multipathd' && first === 'resize') return this.#resizeMap(args.at(-1) ?? '');
    if (command.endsWith('scsi_id')) return this.#identify(path.basename(args.at(-1) ?? ''));
    if (command === 'multipath' && first === '-f') return this.#removeMap(second);
    if (command === 'dmsetup' && first === 'status') return { stdout: this.#status(args.at(-1) ?? '') };
    if (command === 'iscsiadm') return this.#iscsiadm(args);
    if (command === 'cat' && first.endsWith('initiatorname.iscsi'))
      return { stdout: 'InitiatorName=iqn.2024-01.org.example:n1\n' };
    if (command === 'cat') return { stdout: '# BEGIN RECORD\n# END RECORD\n' };
    return {};
  }

  #scan(file: string, input: string): Answer {
    const host = /host(\d+)/.exec(file)?.[1] ?? '';
    const [channel = '0', target = '0', lun = ''] = input.split(' ');
    const wwn = this.luns.get(`${host}:${lun}`);
    const address = [host, channel, target, lun].join(':');
    if (wwn === undefined || existsSync(path.join(this.sysRoot, 'class/scsi_device', address))) return {};
    const name = ['sda', 'sdb', 'sdc', 'sdd', 'sde', 'sdf'].find((each) => !this.devices.includes(each)) ?? 'sdz';
    this.addDisk({ name, address, wwn });
    if (this.makesMaps) this.#mapAll(wwn);
    return {};
  }

  #rescan(file: string): Answer {
    const disk = this.#disks.get(path.basename(path.dirname(path.dirname(file))));
    const sectors = disk?.answers === undefined ? undefined : this.grown.get(disk.answers);
    if (disk === undefined || sectors === undefined) return {};
    disk.sectors = sectors;
    writeFileSync(path.join(this.sysRoot, 'block', disk.name, 'size'), String(sectors));
    return {};
  }

  /** Device-mapper takes no table that is larger than one of its devices. */
  #resizeMap(name: string): Answer {
    const kernelName = this.devices.find((each) => this.#read(`block/${each}/dm/name`) === name) ?? '';
    const paths = readdirSync(path.join(this.sysRoot, 'block', kernelName, 'slaves'));
    const sizes = new Set(paths.map((disk) => this.#read(`block/${disk}/size`)));
    if (sizes.size !== 1) return { exitCode: 1, stdout: 'fail' };
    writeFileSync(path.join(this.sysRoot, 'block', kernelName, 'size'), [...sizes].join(''));
    return { stdout: 'ok' };
  }

  #mapAll(wwn: string): void {
    if (existsSync(path.join(this.devRoot, 'mapper', `3${wwn}`))) this.#removeMap(`3${wwn}`);
    const paths = [...this.#disks.values()].filter((each) => each.wwn === wwn).map(({ name }) => name);
    const kernelName = ['dm-0', 'dm-1', 'dm-2'].find((each) => !this.devices.includes(each)) ?? 'dm-9';
    this.addMap(wwn, { paths, kernelName });
  }

  #delete(file: string): Answer {
    const address = path.basename(path.dirname(path.dirname(file)));
    const disk = [...this.#disks.values()].find((each) => each.address === address);
    if (disk === undefined) return { exitCode: 1, stderr: 'No such file or directory' };
    this.#disks.delete(disk.name);
    const device = realpathSync(path.dirname(file));
    for (const gone of [`block/${disk.name}`, `class/scsi_device/${address}`]) {
      rmSync(path.join(this.sysRoot, gone), { recursive: true });
    }
    rmSync(device, { recursive: true });
    rmSync(path.join(this.devRoot, disk.name));
    return {};
  }

  #identify(name: string): Answer {
    const wwn = this.#disks.get(name)?.answers;
    return wwn === undefined
      ? { exitCode: 1 }
      : { stdout: `ID_VENDOR=3PARdata\nID_MODEL=VV\nID_SERIAL=3${wwn}\nID_SERIAL_SHORT=${wwn}\n` };
  }

  #removeMap(name: string): Answer {
    const kernelName = this.devices.find((each) => this.#read(`block/${each}/dm/name`) === name);
    if (kernelName === undefined) return { exitCode: 1, stderr: `${name} is not a multipath device` };
    for (const disk of this.#disks.keys())
      rmSync(path.join(this.sysRoot, `block/${disk}/holders/${kernelName}`), { force: true });
    rmSync(path.join(this.sysRoot, `devices/virtual/block/${kernelName}`), { recursive: true });
    rmSync(path.join(this.sysRoot, 'block', kernelName));
    rmSync(path.join(this.devRoot, 'mapper', name));
    return {};
  }

  #status(name: string): string {
    const kernelName = this.devices.find((each) => this.#read(`block/${each}/dm/name`) === name) ?? '';
    const paths = readdirSync(path.join(this.sysRoot, 'block', kernelName, 'slaves')).map(
      (disk) => `${this.#read(`block/${disk}/dev`)} ${this.#inactive.has(disk) ? 'F' : 'A'} 0 0 1 `,
    );
    return `0 614400 multipath 2 0 1 0 1 1 A 0 ${paths.length} 2 ${paths.join('')}\n`;
  }

  #iscsiadm(args: string[]): Answer {
    if (args.includes('-r')) return this.#logOut(args[args.indexOf('-r') + 1] ?? '');
    const [target, portal] = [args[args.indexOf('-T') + 1] ?? '', args[args.indexOf('-p') + 1] ?? ''];
    const node = this.nodes.get(portal);
    if (args.includes('new')) this.nodes.set(portal, ['# BEGIN RECORD', 'node.session.scan = auto']);
    else if (node === undefined) return { exitCode: 21, stderr: 'iscsiadm: No records found' };
    else if (args.includes('update')) this.nodes.set(portal, ['node.session.scan = manual']);
    else if (args.includes('delete')) this.nodes.delete(portal);
    else if (args.includes('--login')) return this.#logIn(target, portal);
    else if (args.includes('--logout')) for (const number of this.#sessionsTo(portal)) this.#logOut(number);
    else return { stdout: node.join('\n') };
    return {};
  }

  #logIn(target: string, portal: string): Answer {
    const host = this.portals.get(portal);
    if (host === undefined)
      return { exitCode: 8, stderr: 'iscsiadm: initiator reported error (8 - connection timed out)' };
    this.addSession(host, { target, portal });
    return {};
  }

  /** By whichever interface. */
  #sessionsTo(portal: string): string[] {
    const numbers = readdirSync(path.join(this.sysRoot, 'class/iscsi_session')).map((id) => id.replace('session', ''));
    return numbers.filter((number) => {
      const connection = `class/iscsi_connection/connection${number}:0`;
      const port = this.#read(`${connection}/persistent_port`);
      return `${this.#read(`${connection}/persistent_address`)}:${port}` === portal;
    });
  }

  #logOut(number: string): Answer {
    const session = path.join(this.sysRoot, `class/iscsi_session/session${number}`);
    if (!existsSync(session)) return { exitCode: 21, stderr: 'iscsiadm: No matching sessions found' };
    for (const gone of [session, path.join(this.sysRoot, `devices/platform/host${number}`)]) {
      rmSync(gone, { recursive: true, force: true });
    }
    return {};
  }

  #read(file: string): string {
    return existsSync(path.join(this.sysRoot, file)) ? readFileSync(path.join(this.sysRoot, file), 'utf8') : '';
  }

  #file(file: string, text: string): void {
    const full = path.join(this.sysRoot, file);
    mkdirSync(path.dirname(full), { recursive: true });
    writeFileSync(full, text);
  }

  #link(link: string, to: string): void {
    const full = path.join(this.sysRoot, link);
    mkdirSync(path.dirname(full), { recursive: true });
    rmSync(full, { force: true });
    symlinkSync(path.join(this.sysRoot, to), full);
  }
}
