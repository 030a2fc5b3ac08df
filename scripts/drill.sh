#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# make drill: scripts/drill.sh PROGRAM FOLDER [OPTIONS OF `medbuilder drill`]
#
# Replaces, breaks and counts behind HAProxy, behind nginx and with clients of their own, on a PostgreSQL server that it makes for
# this, and leaves a table and a picture of each in FOLDER. With options, it is one drill with these alone.
set -euo pipefail
program="$(realpath "$1")"
results="$2"
shift 2
mkdir -p "$results"

folder="$(mktemp -d /tmp/medbuilder-drill.XXXXXX)"
as_its_user=()
if ((EUID == 0)); then
    # PostgreSQL refuses to run as root.
    chown postgres "$folder"
    as_its_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
programs="$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -n 1)"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"

control() { (cd "$folder" && "${as_its_user[@]}" "$programs/pg_ctl" -s -w -D "$folder/data" "$@"); }

finish() {
    control -m immediate stop 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

(cd "$folder" && "${as_its_user[@]}" "$programs/initdb" -D "$folder/data" -U postgres --auth trust --no-sync --locale C.UTF-8 -E UTF8) >/dev/null
cat >>"$folder/data/postgresql.conf" <<SETTINGS
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
SETTINGS
control -l "$folder/log" start
restart="cd '$folder' && ${as_its_user[*]} '$programs/pg_ctl' -s -w -D '$folder/data' -l '$folder/log' -m fast restart"

drill() {
    local name="$1"
    shift
    printf '\n%s\n\n' "$name" | tee "$results/$name.txt"
    env DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres" PHI_ENCRYPTION_KEY="$(openssl rand -base64 32)" \
        "$program" drill --restart-database "$restart" --picture "$results/$name.svg" "$@" | tee -a "$results/$name.txt"
}

if (($# > 0)); then
    drill drill "$@"
    exit
fi
failed=0
faults=(--faults kill trap stall database pool)
drill haproxy --proxy haproxy "${faults[@]}" || failed=1
drill nginx --proxy nginx "${faults[@]}" || failed=1
drill direct --proxy direct "${faults[@]}" || failed=1
exit "$failed"
