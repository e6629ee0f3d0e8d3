# What the scripts in this folder share. Sourced by them, and never run.
# shellcheck shell=bash

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Who does the work when root types `make`.
WORK_USER=${LOCALD_WORK_USER:-locald}
# newuidmap and runc are in a system folder that ordinary users often have not on their PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# shellcheck disable=SC2034 # those who source this use them
readonly REPOSITORY WORK_USER
export PATH

say() {
    printf '[setup] %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

home_of() {
    getent passwd "$1" | cut -d: -f6
}

runtime_dir_of() {
    echo "/run/user/$(id -u "$1")"
}

# The system's Python, 3.11 or newer: not one of pyenv or a virtual environment, which the user
# who does the work may be unable to read.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 /usr/local/bin/python3 /usr/bin/python3.{11..19}; do
        if [[ -x $candidate ]] &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Every go there is, those on PATH first, one path a line.
list_go() {
    local folder
    local folders=()
    IFS=: read -ra folders <<<"$PATH"
    for folder in "${folders[@]}" /usr/local/go/bin /usr/lib/go-*/bin; do
        if [[ -x $folder/go ]]; then
            echo "$folder/go"
        fi
    done
}

find_any_go() {
    list_go | grep -m 1 .
}
