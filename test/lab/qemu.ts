import path from 'node:path';

const MEMORY_MIB = 2048;
/** What only costs time in emulation is off: mitigations, security modules, self-tests, timer checks. */
const KERNEL_OPTIONS =
  'console=ttyS0 quiet panic=-1 no_timer_check mitigations=off tsc=reliable apparmor=0 audit=0 rcupdate.rcu_expedited=1 cryptomgr.notests=1';

export interface VmOptions {
  /** What `guest/build.sh` made. */
  guest: string;
  /** The guest's /host; QEMU's sockets and logs are in it, too. */
  dir: string;
  /** Unix sockets of the cables `lan`, `san1` and `san2` to another machine: this one makes them, or finds them. */
  cables?: { dir: string; end: 'makes' | 'finds' };
}

/**
 * QEMU's command line for a machine of one processor, emulated: two consoles (kernel, commands), a disk, a share, and cards for
 * Fibre Channel and networks. Devices have fixed slots: a saved state fits no others.
 */
export function qemuArguments({ guest, dir, cables }: VmOptions, drive: string): string[] {
  const at = (name: string): string => path.join(dir, name);
  const options: [string, string][] = [
    ['accel', 'tcg,thread=multi,tb-size=512'],
    ['M', 'q35'],
    ['cpu', 'max,la57=off,smap=off,smep=off,umip=off,pku=off'],
    ['smp', '1'],
    ['m', String(MEMORY_MIB)],
    ['display', 'none'],
    ['kernel', path.join(guest, 'vmlinuz')],
    ['initrd', path.join(guest, 'initrd.gz')],
    ['append', KERNEL_OPTIONS],
    ['drive', `if=none,id=disk,cache=unsafe,discard=unmap,${drive}`],
    ['device', 'virtio-blk-pci,drive=disk,addr=8'],
    ['fsdev', `local,id=share,path=${dir},security_model=none`],
    ['device', 'virtio-9p-pci,fsdev=share,mount_tag=host,addr=9'],
    ['chardev', `file,id=console,path=${at('console.log')}`],
    ['serial', 'chardev:console'],
    ['chardev', `socket,id=control,path=${at('control')},server=on,wait=off`],
    ['serial', 'chardev:control'],
    ['qmp', `unix:${at('qmp')},server=on,wait=off`],
    ...fibreChannelCards(),
    ...networkCards(cables),
  ];
  return ['-nodefaults', '-no-user-config', '-no-reboot', ...options.flatMap(([name, value]) => [`-${name}`, value])];
}

/** Each cable is a hub with two cards: the adapter of the guest, and the port of the switch, which is in the guest, too. */
function fibreChannelCards(): [string, string][] {
  return [1, 2].flatMap((fabric) => {
    const slot = 0x10 + 2 * fabric;
    return [
      ...card({ id: `hba${fabric}`, mac: `00:10:9b:00:00:0${fabric}`, slot, backend: `hubport,hubid=${fabric}` }),
      ...card({
        id: `sw${fabric}`,
        mac: `52:00:00:00:00:0${fabric}`,
        slot: slot + 1,
        backend: `hubport,hubid=${fabric}`,
      }),
    ];
  });
}

function networkCards(cables: VmOptions['cables']): [string, string][] {
  return ['lan', 'san1', 'san2'].flatMap((id, index) => {
    const backend =
      cables === undefined
        ? `hubport,hubid=${10 + index}`
        : `stream,server=${cables.end === 'makes' ? 'on' : 'off'},addr.type=unix,addr.path=${path.join(cables.dir, id)}`;
    return card({ id, mac: `52:00:00:00:01:0${index}`, slot: 0x18 + index, backend });
  });
}

function card(of: { id: string; mac: string; slot: number; backend: string }): [string, string][] {
  return [
    ['netdev', `${of.backend},id=${of.id}`],
    ['device', `virtio-net-pci,netdev=${of.id},mac=${of.mac},romfile=,addr=${of.slot.toString(16)}`],
  ];
}
