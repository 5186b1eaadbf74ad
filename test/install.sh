#!/usr/bin/env bash
# Brings what the demo and the tests need from Debian packages: the Docker engine, etcd, a static busybox for the image,
# a clock that can be set, a browser for the status page, a second shell for the completion, and the tools that a stranger would use on the simulator. What is there already is left alone.
# With arguments: only these tools; what the lab needs comes only when it is named.
set -euo pipefail
declare -A package=(
  [dockerd]=docker.io [etcd]=etcd-server [etcdctl]=etcd-client [busybox]=busybox-static [sshpass]=sshpass [ssh]=openssh-client
  [faketime]=faketime [curl]=curl [mkfs.ext4]=e2fsprogs [mkfs.xfs]=xfsprogs [losetup]=mount [blkid]=util-linux
  [chromium]=chromium [zsh]=zsh
)
tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=("${!package[@]}")
package+=([qemu-system-x86_64]=qemu-system-x86 [qemu-img]=qemu-utils [cpio]=cpio)
missing=()
for tool in "${tools[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
done
# docker.io of a newer Debian leaves the client to a package of its own.
if [[ " ${missing[*]-} " == *" docker.io "* ]] && ! command -v docker >/dev/null; then
  apt-cache show docker-cli >/dev/null 2>&1 && missing+=(docker-cli)
fi
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing from Debian: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
