#!/bin/sh
# Last step of the build image: the CNB user, and nothing that differs from one run to the next.
set -eu
root=$1
echo 'cnb:x:1000:' >>"$root/etc/group"
echo 'cnb:x:1000:1000:Cloud Native Buildpacks:/home/cnb:/bin/bash' >>"$root/etc/passwd"
echo 'cnb:!:1::::::' >>"$root/etc/shadow"
mkdir -p "$root/home/cnb"
chown 1000:1000 "$root/home/cnb"
: >"$root/etc/machine-id"
: >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
rm -f "$root/etc/resolv.conf"
: >"$root/etc/resolv.conf"
rm -rf "$root"/var/log/* \
	"$root"/var/cache/ldconfig/aux-cache "$root"/etc/*- "$root"/var/lib/dpkg/*-old
# Byte code that carries its source's hash, not its time: the python buildpack copies it, and layers keep no times.
find "$root/usr" -name __pycache__ -type d -prune -exec rm -rf {} +
chroot "$root" env PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3.11 \
	/usr/lib/python3/dist-packages || true
# Debian marks its Python as managed by apt; a buildpack installs into its own layers only.
rm -f "$root"/usr/lib/python3.*/EXTERNALLY-MANAGED
