/** Stands for `classic-level` in the guest, whose daemons keep their metadata in etcd. */
export function ClassicLevel(): never {
  throw new Error('the guest of the lab has no embedded store: set host_etcd_ip_address');
}
