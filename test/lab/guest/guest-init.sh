#!/bin/bash
# The guest's first process after the initramfs: kernel modules, udev, iscsid, multipathd; then commands from the host.
export PATH=/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C
# A program that is open on the share would keep it from being unmounted.
if [ "$0" != /lab/guest-init.sh ]; then
  mount -t tmpfs lab /lab
  cp /host/guest/* /lab/
  exec /bin/bash /lab/guest-init.sh
fi
exec </dev/null >/dev/console 2>&1
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /dev/shm /run/lock/iscsi
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sfn /proc/self/fd /dev/fd
mount -t cgroup2 cgroup /sys/fs/cgroup
echo "$(</etc/hostname)" > /proc/sys/kernel/hostname
ip link set lo up
modprobe -a configfs loop sd_mod sg iscsi_tcp dm_multipath dm_service_time scsi_dh_alua veth bridge overlay \
  target_core_mod target_core_file iscsi_target_mod fcoe tcm_fc virtio_net
mount -t configfs configfs /sys/kernel/config
/lib/systemd/systemd-udevd --daemon
cp /lab/iscsid.conf /etc/iscsi/iscsid.conf
cp /lab/multipath.conf /etc/multipath.conf
echo InitiatorName=iqn.1993-08.org.debian:01:node1 > /etc/iscsi/initiatorname.iscsi
iscsid
multipathd

# A line "N SECONDS" runs /host/commands/N.sh for at most that long; it is answered with "N STATUS".
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo
echo ready >&3
while read -r name seconds <&3; do
  case $name in
  # A share that is mounted cannot be saved with the machine.
  freeze) umount /host; echo "freeze $?" >&3 ;;
  thaw) mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none host /host; status=$?
        date -s "@$seconds" >/dev/null; echo "thaw $status" >&3 ;;
  *) { timeout -k 2 "$seconds" bash "/host/commands/$name.sh" > "/host/commands/$name.out" 2>&1 3>&-; echo "$name $?" >&3; } & ;;
  esac
done
