#!/usr/bin/env bash
# Builds the guest of the lab from Debian packages: a kernel, an initramfs, and an ext4 image with the storage stack,
# the Docker engine, etcd and this machine's Node. Prints the directory of the finished guest.
#   build.sh CACHE_DIR       needs root, apt with Debian's sources, dpkg-deb, cpio, e2fsprogs
# CACHE_DIR/guest-<key>: the key is made of the versions of all packages and of what decides the result here.
# No package script is run, so nothing of this machine is changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${1:?usage: build.sh CACHE_DIR}
mkdir -p "$cache/debs/partial"
cache=$(cd "$cache" && pwd)
node=${NODE:-$(command -v node)}
say() { echo "guest: $*" >&2; }

wanted="base-files base-passwd bash coreutils grep sed gawk findutils hostname procps psmisc netbase tar
  util-linux mount kmod udev iproute2 iptables busybox-static libstdc++6
  open-iscsi multipath-tools kpartx sg3-utils e2fsprogs xfsprogs
  docker.io crun etcd-server"
# Needed by package scripts only, or by parts that nobody starts here.
skip='^(debconf|dpkg|usrmerge|initramfs-tools.*|klibc-utils|libklibc|python3.*|libpython3.*|adduser|passwd|perl.*|libperl.*|cpio|openssl|logsave|ca-certificates|tini|lsb-base|login|readline-common|media-types)$'

# Apt's solver takes seconds: a stamp over what it reads tells when the answer cannot have changed.
stamp() { { cat "$here"/{build.sh,initramfs-init}; stat -L -c '%n %s %Y' "$node" /var/lib/apt/lists/*_Packages*; } 2>/dev/null | sha256sum | cut -c1-12; }
finished() { [ -e "$cache/stamp-$(stamp)" ] && guest=$(<"$cache/stamp-$(stamp)") && [ -e "$guest/root.img" ]; }
if finished; then touch "$guest"; echo "$guest"; exit 0; fi

exec 9>"$cache/lock"
flock 9
: > "$cache/no-packages"
# The solver against an empty system gives the whole closure of dependencies.
apt=(apt-get -o "Dir::State::status=$cache/no-packages" -o "Dir::Cache::archives=$cache/debs"
     -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=1)
plan() {
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$kernel" ] || return 1
  # shellcheck disable=SC2086
  packages=$({ "${apt[@]}" -s install $wanted | awk '/^Inst/ { gsub(/[()]/, "", $3); print $2, $3 }'
               apt-cache show "$kernel" | awk -v k="$kernel" '/^Version/ { print k, $2; exit }'; } |
             awk -v skip="$skip" '$1 !~ skip' | sort)
}
# shellcheck disable=SC2046
download() { (cd "$cache/debs" && apt-get download -q -o APT::Sandbox::User=root $(sed 's/ /=/' <<< "$packages") >/dev/null); }
plan || { apt-get update -qq >&2; plan; }
key() { { echo "$packages"; "$node" --version; cat "$here"/{build.sh,initramfs-init}; } | sha256sum | cut -c1-12; }
guest=$cache/guest-$(key)
if [ ! -e "$guest/root.img" ]; then
  say "downloading $(wc -l <<< "$packages") packages, $kernel"
  # Lists that are older than the mirror name versions that are gone.
  download || { apt-get update -qq >&2; plan; guest=$cache/guest-$(key); download; }
  work=$cache/build.$$
  trap 'rm -rf "$work"' EXIT
  root=$work/root
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$work"/{kernel,out}
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
  unpack() { # DIRECTORY PACKAGE
    dpkg-deb --fsys-tarfile "$2" | tar -x --keep-directory-symlink -C "$1" \
      --exclude=./usr/share/{doc,man,info,locale,lintian,bug,bash-completion}/*
  }
  export -f unpack
  say unpacking
  while read -r name version; do
    deb=$cache/debs/${name}_${version//:/%3a}_amd64.deb
    [ -e "$deb" ] || deb=${deb%_amd64.deb}_all.deb
    if [ "$name" = "$kernel" ]; then kernel_deb=$deb; else echo "$deb"; fi
  done <<< "$packages" > "$work/debs"
  unpack "$work/kernel" "$kernel_deb" &
  xargs -P2 -I{} bash -c 'unpack "$0" {}' "$root" < "$work/debs"
  wait $!

  # What package scripts would have done.
  mkdir -p "$root"/{proc,sys,dev,run,tmp,host,lab,mnt,root,etc/target,etc/iscsi,etc/multipath} "$root"/var/lib/{docker,etcd,open-iscsi}
  rm -rf "$root"/var/{run,lock}
  ln -s /run "$root/var/run"
  ln -s /run/lock "$root/var/lock"
  chmod 1777 "$root/tmp"
  cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
  cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
  printf '%s:x:%d:\n' kvm 104 render 105 sgx 106 input 107 docker 999 >> "$root/etc/group"
  printf '%s: files\n' passwd group hosts services protocols > "$root/etc/nsswitch.conf"
  echo node1 > "$root/etc/hostname"
  echo '127.0.0.1 localhost node1' > "$root/etc/hosts"
  : > "$root/etc/fstab"
  : > "$root/etc/resolv.conf"
  head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$root/etc/machine-id"
  ln -sf bash "$root/usr/bin/sh"
  ln -sf gawk "$root/usr/bin/awk"
  ln -sf xtables-legacy-multi "$root/usr/sbin/iptables"
  install -D "$node" "$root/usr/local/bin/node"
  ldconfig -r "$root"
  # Udev rules that only start processes, about 50 ms each here: half of the time that a LUN takes to appear.
  for rule in 55-scsi-sg3_id 58-scsi-sg3_symlink 60-kpartx 64-btrfs 68-del-part-nodes 80-drivers 80-docker; do
    ln -sf /dev/null "$root/etc/udev/rules.d/$rule.rules"
  done

  # Kernel modules: the subtrees that the lab uses.
  release=${kernel#linux-image-}
  modules=usr/lib/modules/$release
  mkdir -p "$root/$modules/kernel"
  cp "$work/kernel/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$root/$modules/"
  (cd "$work/kernel/lib/modules/$release/kernel" && cp -a --parents \
    drivers/{block/loop.ko,block/virtio_blk.ko,char,md,scsi,target,virtio} drivers/net/{veth,virtio_net,net_failover}.ko \
    fs/{ext4,jbd2,xfs,9p,fscache,netfs,overlayfs,configfs,nls,mbcache.ko} lib crypto block arch/x86/crypto \
    net/{9p,bridge,802,8021q,core,llc,ipv4,ipv6,netfilter,packet,unix} "$root/$modules/kernel/")
  chroot "$root" /usr/sbin/depmod "$release"

  cp "$work/kernel/boot/vmlinuz-$release" "$work/out/vmlinuz"
  mkdir -p "$work"/initramfs/{bin,proc,sys,dev,mnt,modules}
  cp "$root/usr/bin/busybox" "$work/initramfs/bin/"
  install "$here/initramfs-init" "$work/initramfs/init"
  for module in virtio_pci virtio_blk ext4 9pnet_virtio 9p; do
    chroot "$root" /usr/sbin/modprobe -S "$release" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    cp "$root$file" "$work/initramfs/modules/"
    basename "$file" >> "$work/initramfs/modules/order"
  done
  (cd "$work/initramfs" && find . | cpio -o -H newc --quiet | gzip -1 > "$work/out/initrd.gz")

  # Without a journal: every run works on an overlay that is thrown away.
  say "image of $(du -sm "$root" | cut -f1) MB"
  truncate -s 8G "$work/out/root.img"
  mke2fs -q -t ext4 -O '^has_journal,^metadata_csum' -E lazy_itable_init=1,nodiscard -m 0 -d "$root" "$work/out/root.img"
  echo "$packages" > "$work/out/packages.txt"
  rm -rf "$guest"
  mv "$work/out" "$guest"
fi
# Guests of other keys go when nobody has asked for them for a day.
touch "$guest"
find "$cache" -maxdepth 1 -name 'guest-*' -mmin +1440 -exec rm -rf {} +
rm -f "$cache"/stamp-*
echo "$guest" > "$cache/stamp-$(stamp)"
echo "$guest"
