import { mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, run } from './command.js';
import { makeForeignFcDisk } from './foreign.js';
import { cardOf, FOREIGN, ip } from './network.js';

const FABRICS = [1, 2];
const ARRAYS = [1, 2];
/** Numbers of the storage that has a port on a fabric. */
const storageOn = (fabric: number): number[] => (fabric === 1 ? [...ARRAYS, FOREIGN] : ARRAYS);

/** The Ethernet link that is the port of array N on fabric F. */
export const fcLink = (array: number, fabric: number): string => `a${array}fab${fabric}`;
const macOf = (array: number, fabric: number): string => `00:02:ac:00:0${array}:0${fabric}`;
/** WWPN of array N on fabric F: libfcoe makes it of the port's Ethernet address. */
export const arrayWwpn = (array: number, fabric: number): string => `2000${macOf(array, fabric).replaceAll(':', '')}`;
/** WWPN of this host on fabric F. */
export const hbaWwpn = (fabric: number): string => `200000109b00000${fabric}`;

/**
 * Two fabrics of Fibre Channel over Ethernet, each a bridge with one adapter of this host and one port of each array. The adapters
 * are virtual network cards, so that sysfs looks as with real ones.
 */
export async function layFibreChannel(): Promise<void> {
  // The link has to be lossless; but a bridge drops frames beyond a number, and fq_codel what has waited for milliseconds.
  writeFileSync('/proc/sys/net/core/netdev_max_backlog', '100000');
  writeFileSync('/proc/sys/net/core/default_qdisc', 'pfifo_fast');
  await ip(FABRICS.flatMap(linksOf));
  makeForeignFcDisk(colons(arrayWwpn(FOREIGN, 1)), colons(hbaWwpn(1)));
}

/** Starts the ports. The arrays have to run: a port that logs in before it is a target stays without LUNs for ever. */
export async function bringFabricsUp(): Promise<void> {
  for (const fabric of FABRICS) for (const storage of storageOn(fabric)) startPort(fcLink(storage, fabric));
  for (const fabric of FABRICS) startPort(cardOf.hba(fabric));
  await eventually(hideArrayPorts);
  await eventually(expectLogins);
}

const colons = (wwpn: string): string => (wwpn.match(/../g) ?? []).join(':');

function linksOf(fabric: number): string[] {
  return [
    `link add fab${fabric} mtu 2500 type bridge mcast_snooping 0`,
    `link set fab${fabric} up`,
    `link set ${cardOf.switch(fabric)} mtu 2500 txqueuelen 10000 master fab${fabric} up`,
    `link set ${cardOf.hba(fabric)} mtu 2500 txqueuelen 10000 up`,
    ...storageOn(fabric).flatMap((array) => [
      `link add ${fcLink(array, fabric)} address ${macOf(array, fabric)} mtu 2500 type veth peer name sw${array}fab${fabric} mtu 2500`,
      `link set sw${array}fab${fabric} master fab${fabric} up`,
      `link set ${fcLink(array, fabric)} up`,
    ]),
  ];
}

function startPort(link: string): void {
  writeFileSync('/sys/bus/fcoe/ctlr_create', link);
  const devices = '/sys/bus/fcoe/devices';
  const controller = readdirSync(devices).find((name) =>
    realpathSync(path.join(devices, name)).includes(`/net/${link}/`),
  );
  if (controller === undefined) throw new Error(`${link} has not become a Fibre Channel port`);
  writeFileSync(path.join(devices, controller, 'mode'), 'vn2vn');
  writeFileSync(path.join(devices, controller, 'enabled'), '1');
}

/** The array's ports are fc_hosts of this same kernel; whoever lists /sys/class/fc_host is to see this host's adapters only. */
async function hideArrayPorts(): Promise<void> {
  const [all, shown] = ['/sys/class/fc_host', '/run/fc_host'];
  const own = readdirSync(all).filter((host) => portName(path.join(all, host)).startsWith('20000010'));
  if (own.length < FABRICS.length) throw new Error(`only ${own.length} adapters are Fibre Channel hosts`);
  mkdirSync(shown);
  for (const host of own) symlinkSync(realpathSync(path.join(all, host)), path.join(shown, host));
  await run('mount', ['--bind', shown, all]);
}

const portName = (dir: string): string => readFileSync(path.join(dir, 'port_name'), 'utf8').trim().slice(2);

/** Each adapter has logged in to one target port of each array. */
function expectLogins(): void {
  const ports = '/sys/class/fc_remote_ports';
  const adapters = readdirSync('/sys/class/fc_host').map((name) => name.slice('host'.length));
  const targets = readdirSync(ports).filter((name) => {
    const read = (file: string): string => readFileSync(path.join(ports, name, file), 'utf8').trim();
    const isOfAdapter = adapters.some((host) => name.startsWith(`rport-${host}:`));
    return isOfAdapter && read('roles').includes('Target') && Number(read('scsi_target_id')) >= 0;
  });
  const wanted = FABRICS.flatMap(storageOn).length;
  if (targets.length !== wanted) throw new Error(`${targets.length} of ${wanted} Fibre Channel logins`);
}
