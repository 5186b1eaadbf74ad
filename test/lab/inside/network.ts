import { readdirSync, readFileSync } from 'node:fs';
import { run } from './command.js';

/** Addresses of the arrays' management; both are this kernel's own. */
export const ARRAY_ADDRESSES = ['10.0.0.11', '10.0.0.12'] as const;
/** Number of the storage that belongs to somebody else; the arrays are 1 and 2. */
export const FOREIGN = 9;
/** Where node N is on the management network. */
export const nodeAddress = (node: number): string => `10.0.0.${node}`;
/** Where the agent of node N listens; see `agent.ts`. */
export const listenAddress = (node: number): string => `${nodeAddress(node)}:7000`;
/** Network namespace with the iSCSI ports of an array, and the links in it. */
export const arrayNamespace = (array: number): string => `array${array}`;
export const sanLink = (san: number): string => `san${san}`;
/** The portal of array N on iSCSI network S. */
export const portal = (array: number, san: number): string => `10.${san}.0.${10 + array}`;

/** The cards that QEMU gives, by their addresses: see `vm.ts`. */
export const cardOf = {
  hba: (fabric: number): string => interfaceWith(`00:10:9b:00:00:0${fabric}`),
  switch: (fabric: number): string => interfaceWith(`52:00:00:00:00:0${fabric}`),
  lan: (): string => interfaceWith('52:00:00:00:01:00'),
  san: (san: number): string => interfaceWith(`52:00:00:00:01:0${san}`),
};

function interfaceWith(mac: string): string {
  const found = readdirSync('/sys/class/net').find(
    (name) => name.startsWith('eth') && readFileSync(`/sys/class/net/${name}/address`, 'utf8').trim() === mac,
  );
  if (found === undefined) throw new Error(`no network card has the address ${mac}`);
  return found;
}

/**
 * A management network and two iSCSI networks, each a bridge with the card to another machine; and for each array a
 * namespace with a port on each iSCSI network, so that nobody reaches it but through its ports.
 */
export async function bringNetworkUp(): Promise<void> {
  const bridge = (name: string, card: string, addresses: string[]): string[] => [
    `link add ${name} type bridge mcast_snooping 0`,
    `link set ${card} master ${name} up`,
    ...addresses.map((address) => `addr add ${address}/24 dev ${name}`),
    `link set ${name} up`,
  ];
  await ip([
    ...bridge('lan', cardOf.lan(), [nodeAddress(1), ...ARRAY_ADDRESSES]),
    ...[1, 2].flatMap((san) => bridge(`san${san}`, cardOf.san(san), [`10.${san}.0.1`])),
  ]);
  for (const array of [1, 2, FOREIGN]) await bringPortsUp(array);
}

async function bringPortsUp(array: number): Promise<void> {
  const namespace = arrayNamespace(array);
  await run('ip', ['netns', 'add', namespace]);
  await ip(
    [1, 2].flatMap((san) => [
      `link add a${array}san${san} type veth peer name ${sanLink(san)} netns ${namespace}`,
      `link set a${array}san${san} master san${san} up`,
    ]),
  );
  await ip(
    [
      'link set lo up',
      ...[1, 2].flatMap((san) => [
        `addr add ${portal(array, san)}/24 dev ${sanLink(san)}`,
        `link set ${sanLink(san)} up`,
      ]),
    ],
    namespace,
  );
}

/**
 * Gives a copy of the first node, which has its addresses, those of node N, and takes the arrays away: what goes to them from now
 * on leaves by the cards. Nobody may be at the other end of the cables yet.
 */
export async function becomeNode(node: number): Promise<void> {
  const bridges = [['lan', nodeAddress(node)], ...[1, 2].map((san) => [`san${san}`, `10.${san}.0.${node}`])];
  const ports = readdirSync('/sys/class/net').filter((name) => /^a\dsan\d$/.test(name));
  await ip([
    ...ports.map((name) => `link del ${name}`),
    ...bridges.flatMap(([name, address], index) => [
      `link set ${name} address 52:00:00:00:0${node}:1${index}`,
      `addr flush dev ${name}`,
      `addr add ${address}/24 dev ${name}`,
    ]),
  ]);
}

/** Runs `ip` commands, in a namespace if one is named. */
export async function ip(lines: string[], namespace?: string): Promise<void> {
  await run('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'], `${lines.join('\n')}\n`);
}
