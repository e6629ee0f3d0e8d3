#!/bin/sh
# Last step of the run image: the user, then everything an application never needs goes. dpkg's status file stays
# (without the removed packages): scanners read it, and a rebase compares it.
set -eu
root=$1
packages=$(dirname "$0")/../run.packages
keep=" $(sed 's/#.*//' "$packages" | tr -s ' \n' '  ') "
info=$root/var/lib/dpkg/info
removed=' '

for list in "$info"/*.list; do
	name=$(basename "$list" .list)
	package=${name%%:*}
	case $keep in *" $package "*) continue ;; esac
	removed="$removed$package "
	while read -r path; do
		# Packages still name the top folders that are links into /usr today.
		case $path in /bin | /sbin | /lib | /lib32 | /lib64 | /libx32) continue ;; esac
		if [ -L "$root$path" ] || [ -f "$root$path" ]; then rm -f "$root$path"; fi
	done <"$list"
	# Folders, deepest first, that nothing else uses.
	sort -r "$list" | while read -r path; do
		case ${path#/} in */*) ;; *) continue ;; esac
		if [ -d "$root$path" ] && [ ! -L "$root$path" ]; then
			rmdir --ignore-fail-on-non-empty "$root$path"
		fi
	done
done
awk -v removed="$removed" 'BEGIN { RS = ""; FS = "\n"; ORS = "\n\n" }
	{ split($1, name, " "); if (index(removed, " " name[2] " ") == 0) print }' \
	"$root/var/lib/dpkg/status" >"$root/var/lib/dpkg/status.new"
mv "$root/var/lib/dpkg/status.new" "$root/var/lib/dpkg/status"

cd "$root"
find var/lib/dpkg -mindepth 1 ! -name status ! -name arch -delete
rm -rf etc/pam.d etc/systemd etc/init.d etc/rc*.d etc/cron* etc/logrotate.d etc/kernel etc/apt etc/dpkg \
	etc/default etc/perl etc/security etc/update-motd.d etc/ca-certificates* etc/terminfo etc/skel etc/selinux \
	var/lib/apt var/lib/pam var/lib/systemd var/lib/misc var/lib/shells.state var/backups \
	usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bash-completion \
	usr/share/common-licenses usr/share/bug usr/share/menu usr/share/gcc usr/share/gdb usr/share/perl* \
	usr/share/debconf usr/share/pam* usr/share/polkit-1 usr/share/ca-certificates usr/share/doc-base \
	usr/share/debianutils usr/share/keyrings usr/share/dpkg usr/lib/systemd usr/lib/udev usr/lib/mime usr/lib/apt \
	usr/lib/dpkg usr/lib/*/perl* usr/lib/init usr/lib/lsb usr/games usr/local/games usr/lib/debug \
	usr/sbin/update-ca-certificates usr/bin/localedef

# The bundle holds every certificate; the single files, and the links to what was just removed, only repeat it.
find etc/ssl/certs -mindepth 1 ! -name ca-certificates.crt -delete
# Character sets that programs still meet through iconv; UTF-8, UTF-16 and ASCII are built into libc.
find usr/lib/*/gconv -name '*.so' ! -name 'ISO8859-1.so' ! -name 'ISO8859-15.so' ! -name 'CP125[0-9].so' \
	! -name 'UTF-*.so' ! -name 'UNICODE.so' -delete
# Leap-second and POSIX copies of the whole time zone database.
rm -rf usr/share/zoneinfo/right usr/share/zoneinfo/posix
if [ -d usr/lib/terminfo ]; then
	find usr/lib/terminfo -type f | grep -vE '/(xterm|xterm-256color|linux|vt100|screen|screen-256color|tmux|tmux-256color|dumb|ansi)$' |
		xargs -r rm -f
fi

echo 'cnb:x:1000:' >>etc/group
echo 'app:x:1001:1000:application:/home/app:/bin/sh' >>etc/passwd
mkdir -p home/app
chown 1001:1000 home/app
: >etc/machine-id
: >etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' >etc/hosts
rm -f etc/resolv.conf
: >etc/resolv.conf
rm -rf var/log/* var/cache/* etc/*-
# Links that lost their target (alternatives, shared libraries of removed packages).
find usr etc -xdev -type l | while read -r link; do
	target=$(readlink "$link")
	case $target in
	/proc/* | /dev/* | /run/* | ../proc/*) continue ;;
	/*) target=$root$target ;;
	*) target=$(dirname "$link")/$target ;;
	esac
	[ -e "$target" ] || [ -L "$target" ] || rm -f "$link"
done
find usr etc -xdev -mindepth 2 -depth -type d -empty ! -path 'usr/local/*' ! -path 'etc/ssl/*' -delete
