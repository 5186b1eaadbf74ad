#!/usr/bin/env bash
# The root file system of the managed plugin without any image: Debian packages and this machine's Node.
#   debian-rootfs.sh DIRECTORY      needs root, apt with Debian's sources, dpkg-deb
# The Dockerfile makes the same of node:24-slim. No package script is run, so nothing of this machine is changed.
set -euo pipefail
root=${1:?usage: debian-rootfs.sh DIRECTORY}
cache=${XDG_CACHE_HOME:-/var/cache}/hpe-volume-plugin
node=${NODE:-$(command -v node)}

# What runs in the plugin's own mount namespace (src/host/host-prefix.ts), and Node's libraries.
wanted="libstdc++6 mount util-linux coreutils e2fsprogs xfsprogs"
# Needed by package scripts, or by tools of these packages that nobody starts here (xfs_scrub, login).
skip='^(debconf|dpkg|tar|python3.*|libpython3.*|perl.*|libperl.*|media-types|libssl3|libexpat1|libdb5.3|libsqlite3-0|libicu[0-9]+|libreadline8|readline-common|libncursesw6|libnsl2|libtirpc.*|dmsetup|util-linux-extra)$'

mkdir -p "$cache/debs/partial" "$root"
: > "$cache/no-packages"
# The solver against an empty system gives the whole closure of dependencies.
apt=(apt-get -o "Dir::State::status=$cache/no-packages" -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Debug::NoLocking=1)
# shellcheck disable=SC2086
plan() { packages=$("${apt[@]}" -s install $wanted | awk -v skip="$skip" '/^Inst/ && $2 !~ skip { gsub(/[()]/, "", $3); print $2 "=" $3 }') && [ -n "$packages" ]; }
# shellcheck disable=SC2046,SC2086
download() { (cd "$cache/debs" && apt-get download -q -o APT::Sandbox::User=root $packages > /dev/null); }
files() { sed -E 's/:/%3a/; s/=(.*)/_\1/' <<< "$packages" | while read -r each; do ls "$cache/debs/$each"_*.deb; done; }

plan || { apt-get update -qq >&2; plan; }
# Lists that are older than the mirror name versions that are gone.
files > /dev/null 2>&1 || download || { apt-get update -qq >&2; plan; download; }

mkdir -p "$root"/usr/{bin,sbin,lib,lib64,local/bin}
ln -sfn usr/bin "$root/bin"
ln -sfn usr/sbin "$root/sbin"
ln -sfn usr/lib "$root/lib"
ln -sfn usr/lib64 "$root/lib64"
for deb in $(files); do
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" \
    --exclude=./usr/share/{doc,man,info,locale,lintian,bug,bash-completion}/* --exclude=./usr/lib/*/gconv
done
mkdir -p "$root"/{proc,sys,dev,run,tmp,root,etc}
chmod 1777 "$root/tmp"
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
install "$node" "$root/usr/local/bin/node"
ldconfig -r "$root"
