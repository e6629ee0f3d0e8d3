# shellcheck shell=bash
# What the embedded buildpacks share. Each links to this file as lib/common.sh; packaging follows the link.
#
# Speed rules kept here and by the callers: an unchanged dependency layer is launch-only and never read (reuse_layer);
# what only speeds up a later build lies outside the layers where the platform allows it (cache_open, toolchain_open).

shopt -s nullglob
umask 022
export LC_ALL=C.UTF-8

# BUILDPACK_NAME is set by the script that reads this file.
: "${BUILDPACK_NAME:?}"
APP_DIR=$PWD
LAYERS_DIR=${CNB_LAYERS_DIR:-}
case ${CNB_TARGET_ARCH:-$(uname -m)} in
amd64 | x86_64) ARCH=amd64 ;;
arm64 | aarch64) ARCH=arm64 ;;
*) ARCH=${CNB_TARGET_ARCH:-unknown} ;;
esac
export APP_DIR LAYERS_DIR ARCH

# --- messages -------------------------------------------------------------------------------------------------------

say() { printf '  %s\n' "$*"; }
step() { printf '%s\n' "-----> $*"; }
warn() { printf ' !     %s\n' "$*" >&2; }

# fail MESSAGE [HINT]: the build stops, with the reason as the last lines.
fail() {
	printf ' !     ERROR: %s\n' "$1" >&2
	if [[ $# -gt 1 ]]; then printf ' !     hint: %s\n' "${@:2}" >&2; fi
	exit 1
}

# decline REASON: detection says no.
decline() {
	printf 'no: %s\n' "$*"
	exit 100
}

# --- small pure helpers ---------------------------------------------------------------------------------------------

# toml_string TEXT: TEXT as a TOML basic string, in $REPLY.
toml_string() {
	local text=$1
	text=${text//\\/\\\\}
	text=${text//\"/\\\"}
	text=${text//$'\t'/\\t}
	text=${text//$'\r'/\\r}
	text=${text//$'\n'/\\n}
	REPLY="\"$text\""
}

# toml_array TEXT…: a TOML array of strings, in $REPLY.
toml_array() {
	local out='' item
	for item in "$@"; do
		toml_string "$item"
		out+="${out:+, }$REPLY"
	done
	REPLY="[$out]"
}

# digest [TEXT] -- FILE…: one sha256 over TEXT and the files' names and contents, in $REPLY. One child process.
digest() {
	local text=$1
	shift 2
	REPLY=$({
		printf '%s\n' "$text"
		if [[ $# -gt 0 ]]; then printf '%s\0' "$@" && cat -- "$@"; fi
	} | sha256sum)
	REPLY=${REPLY%% *}
}

# --- layers ---------------------------------------------------------------------------------------------------------

# layer_value NAME FIELD: a field of the metadata that the lifecycle restored for a layer, in $REPLY ('' if none).
layer_value() {
	local line
	REPLY=''
	[[ -f $LAYERS_DIR/$1.toml ]] || return 0
	while IFS= read -r line; do
		if [[ $line =~ ^[[:space:]]*"$2"[[:space:]]*=[[:space:]]*\"(.*)\"[[:space:]]*$ ]]; then
			REPLY=${BASH_REMATCH[1]}
			return 0
		fi
	done <"$LAYERS_DIR/$1.toml"
}

# write_layer NAME TYPES [FIELD=VALUE]…: TYPES is any of launch,build,cache; fields become its metadata.
write_layer() {
	local name=$1 types=,$2, out field
	shift 2
	out='[types]'$'\n'
	for field in launch build cache; do
		if [[ $types == *",$field,"* ]]; then out+="$field = true"$'\n'; else out+="$field = false"$'\n'; fi
	done
	out+='[metadata]'$'\n'
	for field in "$@"; do
		toml_string "${field#*=}"
		out+="${field%%=*} = $REPLY"$'\n'
	done
	printf '%s' "$out" >"$LAYERS_DIR/$name.toml"
}

# reuse_layer NAME KEY [FIELD]…: if the previous image holds the launch layer NAME made with KEY, keep it as it is:
# the exporter copies its digest, nothing is unpacked, read or compressed. FIELDs of its metadata are kept.
reuse_layer() {
	local name=$1 key=$2 field fields=()
	shift 2
	layer_value "$name" key
	[[ -n $REPLY && $REPLY == "$key" ]] || return 1
	for field in "$@"; do
		layer_value "$name" "$field"
		fields+=("$field=$REPLY")
	done
	write_layer "$name" launch "key=$key" "${fields[@]}"
}

# new_layer NAME: an empty directory for a layer, in $LAYER.
new_layer() {
	LAYER=$LAYERS_DIR/$1
	rm -rf "$LAYER" "$LAYERS_DIR/$1.sbom.cdx.json"
	mkdir -p "$LAYER"
}

# layer_env NAME SCOPE VARIABLE.ACTION VALUE: an environment variable that a layer sets (SCOPE env, env.build, env.launch).
layer_env() {
	mkdir -p "$LAYERS_DIR/$1/$2"
	printf '%s' "$4" >"$LAYERS_DIR/$1/$2/$3"
}

# --- processes ------------------------------------------------------------------------------------------------------

LAUNCH_TOML=''
PROCESS_TYPES=' '

# process TYPE COMMAND ARG…: COMMAND with its first ARGs always runs; a user's own arguments are added after them.
process() {
	local type=$1
	shift
	[[ $PROCESS_TYPES != *" $type "* ]] || return 0
	PROCESS_TYPES+="$type "
	toml_array "$@"
	LAUNCH_TOML+=$'\n[[processes]]\n'"type = \"$type\""$'\n'"command = $REPLY"$'\n'
	if [[ $type == web ]]; then LAUNCH_TOML+=$'default = true\n'; fi
	if [[ ${2:-} == -c ]]; then say "process $type: $3"; else say "process $type: $*"; fi
}

write_launch() { printf '%s' "$LAUNCH_TOML" >"$LAYERS_DIR/launch.toml"; }

# --- what outlives a build ------------------------------------------------------------------------------------------
# A platform may mount a directory of this project's own and name it in LOCALD_BUILD_CACHE: then caches are ordinary
# directories there, never restored, hashed or copied. Elsewhere they are cached layers, each one uncompressed tar
# (it keeps modification times, which the lifecycle does not, and one file costs least to restore when unused).

persistent() { [[ -n ${LOCALD_BUILD_CACHE:-} && -d $LOCALD_BUILD_CACHE && -w $LOCALD_BUILD_CACHE ]]; }

# cache_open NAME: a directory that outlives this build, in $CACHE.
cache_open() {
	if persistent; then
		CACHE=$LOCALD_BUILD_CACHE/$BUILDPACK_NAME/$1
		mkdir -p "$CACHE"
		return
	fi
	CACHE=/tmp/locald-cache/$BUILDPACK_NAME/$1
	rm -rf "$CACHE"
	mkdir -p "$CACHE"
	if [[ -f $LAYERS_DIR/$1-cache/cache.tar ]]; then
		tar -C "$CACHE" -xf "$LAYERS_DIR/$1-cache/cache.tar" ||
			{ warn "the cache $1 is damaged; starting with an empty one" && rm -rf "$CACHE" && mkdir -p "$CACHE"; }
	fi
}

# cache_close NAME: keeps what was put into the directory of cache_open.
cache_close() {
	persistent && return
	mkdir -p "$LAYERS_DIR/$1-cache"
	tar -C "/tmp/locald-cache/$BUILDPACK_NAME/$1" -cf "$LAYERS_DIR/$1-cache/cache.tar.new" .
	mv "$LAYERS_DIR/$1-cache/cache.tar.new" "$LAYERS_DIR/$1-cache/cache.tar"
	write_layer "$1-cache" cache key=tar
}

# cache_keep NAME: a cache that this build does not need stays for a later one.
cache_keep() {
	if ! persistent && [[ -f $LAYERS_DIR/$1-cache/cache.tar ]]; then write_layer "$1-cache" cache key=tar; fi
}

# toolchain_open NAME VERSION: the directory of a toolchain, in $TOOLCHAIN; fails if the toolchain has yet to be put
# there, which is done into $TOOLCHAIN_NEW and ended by toolchain_close. Where a toolchain is seldom needed, set
# TRANSIENT=yes: fetching it again then costs less than restoring it in every build.
TRANSIENT=''
toolchain_open() {
	if persistent; then
		TOOLCHAIN=$LOCALD_BUILD_CACHE/$BUILDPACK_NAME/toolchains/$1/$2
		TOOLCHAIN_NEW=$LOCALD_BUILD_CACHE/$BUILDPACK_NAME/toolchains/$1/.new
		if [[ -d $TOOLCHAIN ]]; then return 0; fi
	elif [[ -n $TRANSIENT ]]; then
		TOOLCHAIN=/tmp/locald-toolchains/$1-$2
		TOOLCHAIN_NEW=/tmp/locald-toolchains/.new
		if [[ -d $TOOLCHAIN ]]; then return 0; fi
	else
		TOOLCHAIN=$LAYERS_DIR/$1-toolchain
		TOOLCHAIN_NEW=$LAYERS_DIR/$1-toolchain.new
		layer_value "$1-toolchain" key
		if [[ $REPLY == "$2" && -d $TOOLCHAIN ]]; then
			write_layer "$1-toolchain" cache "key=$2"
			return 0
		fi
	fi
	rm -rf "$TOOLCHAIN_NEW"
	mkdir -p "$TOOLCHAIN_NEW"
	return 1
}

# toolchain_close NAME VERSION: the toolchain in $TOOLCHAIN_NEW is complete; older versions go.
toolchain_close() {
	local old
	if persistent; then
		for old in "${TOOLCHAIN%/*}"/*; do chmod -R u+w "$old" && rm -rf "$old"; done
	elif [[ -z $TRANSIENT ]]; then
		rm -rf "$TOOLCHAIN"
		write_layer "$1-toolchain" cache "key=$2"
	fi
	mv "$TOOLCHAIN_NEW" "$TOOLCHAIN"
}

# --- software from Debian -------------------------------------------------------------------------------------------

# debian_fetch [--alone] DIRECTORY PACKAGE…: unpacks packages, and (unless --alone) what they need beyond the packages of
# this image, into DIRECTORY. Without root: apt gets directories of its own, and dpkg-deb only unpacks.
debian_fetch() {
	local alone='' into state deb options
	if [[ $1 == --alone ]]; then
		alone=yes
		shift
	fi
	into=$1
	shift
	state=$(mktemp -d)
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	options=(
		-o "Dir::State=$state" -o "Dir::State::lists=$state/lists" -o "Dir::State::status=/var/lib/dpkg/status"
		-o "Dir::Cache=$state" -o "Dir::Cache::archives=$state/archives" -o "Dir::Log=$state"
		-o Debug::NoLocking=1 -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Update::Error-Mode=any
		-o APT::Install-Recommends=false -o Dpkg::Use-Pty=0
	)
	apt-get -qq "${options[@]}" update ||
		fail "the package lists of Debian could not be fetched" "is the package mirror within reach of the build (--network)?"
	if [[ -n $alone ]]; then
		(cd "$state/archives" && apt-get -qq "${options[@]}" download "$@" >/dev/null)
	else
		apt-get -qq -y "${options[@]}" --download-only install "$@" >/dev/null
	fi || fail "these packages of Debian could not be fetched: $*"
	mkdir -p "$into"
	for deb in "$state"/archives/*.deb; do dpkg-deb -x "$deb" "$into"; done
	rm -rf "$state"
}

# --- bill of materials ----------------------------------------------------------------------------------------------

# sbom LAYER: reads lines "PURL<tab>NAME<tab>VERSION[<tab>SHA256]" and writes the layer's CycloneDX document. It has
# neither serial number nor time, so the same components give the same bytes.
sbom() {
	LC_ALL=C sort -u | jq -Rn '{
		bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
		metadata: {tools: {components: [{type: "application", name: "locald/'"$BUILDPACK_NAME"'"}]}},
		components: [inputs | split("\t") | select(length > 2) | {
			type: "library", "bom-ref": .[0], name: .[1], version: .[2], purl: .[0]
		} + (if .[3] // "" != "" then {hashes: [{alg: "SHA-256", content: .[3]}]} else {} end)]
	}' >"$LAYERS_DIR/$1.sbom.cdx.json"
}
