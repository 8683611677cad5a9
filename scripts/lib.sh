# shellcheck shell=sh
# What scripts/demo, test, bench, soak and faults share. Sourced by POSIX sh, in the checkout's root.
# Results go to stdout, progress to stderr. Exit 2: the machine lacks something that we may not install.

set -eu
PATH="$PATH:/usr/sbin:/sbin" # servers live there, and a plain user's PATH often lacks it
export PATH
log=$(mktemp)
trap 'clean_up' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

clean_up() {
    rm -f "$log"
    allow_services
}

say() {
    printf 'wattgram: %s\n' "$*" >&2
}

# The last word: one line that says what to do.
give_up() {
    say "$*"
    exit 2
}

# Run a command in silence; its output is shown when it fails.
quietly() {
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        return 1
    fi
}

# Run a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || sudo -n true >/dev/null 2>&1
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

# Install Debian packages; the package lists are fetched only when they are missing or too old.
apt_install() {
    say "installing $* (apt-get)"
    if ! apt_get install --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
        quietly apt_get update || give_up "apt-get update failed; see above"
        quietly apt_get install --no-install-recommends "$@" || give_up "apt-get could not install $*; see above"
    fi
}

policy=/usr/sbin/policy-rc.d
policy_mark='# wattgram: no service starts while its tests install packages'

# The tests run servers of their own; those that a package would start are not wanted.
forbid_services() {
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
}

allow_services() {
    if grep -qsF "$policy_mark" "$policy"; then
        as_root rm -f "$policy"
    fi
}

# Programs and files, and the Debian package that brings each: servers, and what breaks them.
# shellcheck disable=SC2034 # for those who source this
servers='mosquitto:mosquitto mosquitto_pub:mosquitto-clients influxd:influxdb nginx:nginx-light
victoria-metrics:victoria-metrics'
# shellcheck disable=SC2034
faults='/usr/lib/*/faketime/libfaketimeMT.so.1:libfaketime nft:nftables ip:iproute2 mkfs.ext4:e2fsprogs'

# Whether a program, or a file of this pattern, is there.
present() {
    case $1 in
    /*)
        # shellcheck disable=SC2086 # a pattern
        set -- $1
        [ -e "$1" ]
        ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# packages WHO NEEDS: what is missing of a list of PROGRAM:PACKAGE; none of their services is left to run.
packages() {
    missing=
    for need in $2; do
        present "${need%%:*}" || missing="$missing ${need##*:}"
    done
    [ -n "$missing" ] || return 0
    may_install || give_up "$1 needs more programs: run as root: apt-get install$missing"
    forbid_services
    # shellcheck disable=SC2086 # a list of words
    apt_install $missing
    allow_services
    if [ -d /run/systemd/system ]; then
        for package in $missing; do
            case $package in
            nginx-light) as_root systemctl -q disable nginx ;;
            mosquitto | influxdb | victoria-metrics | prometheus) as_root systemctl -q disable "$package" ;;
            esac
        done
    fi
}

# Whether $1 is a Python that we can build and run with.
suitable_python() {
    "$1" - >/dev/null 2>&1 <<'PYTHON'
import os, sys, sysconfig
assert (3, 11) <= sys.version_info[:2] < (3, 14)
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
PYTHON
}

# Set `python` to the first one that suits and can make virtual environments.
look_for_python() {
    for python in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        if suitable_python "$python" && "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

find_python() {
    look_for_python && return
    wanted='needs Python 3.11 to 3.13 with venv and headers, and a C and a C++ compiler'
    may_install || give_up "$wanted: run as root: apt-get install python3 python3-venv python3-dev gcc g++"
    apt_install python3 python3-venv python3-dev
    look_for_python || give_up "$wanted; this system's packages have another Python"
}

# Whether the compilers that this Python builds extensions with are there.
has_compilers() {
    compilers=$("$1" -c 'import os, sysconfig
print(*((os.environ.get(name) or sysconfig.get_config_var(name)).split()[0] for name in ("CC", "CXX")))')
    for compiler in $compilers; do
        command -v "$compiler" >/dev/null 2>&1 || return 1
    done
}

find_compilers() {
    has_compilers "$1" && return
    may_install || give_up "needs a C and a C++ compiler: run as root: apt-get install gcc g++"
    apt_install gcc g++
    has_compilers "$1" || give_up "needs the compilers that $1 was built with: $compilers"
}

mark=.venv/.wattgram # in a virtual environment that we made and so may make anew

# Make sure that .venv is a working virtual environment.
find_environment() {
    if [ -e .venv ] && ! suitable_python .venv/bin/python; then
        [ -e "$mark" ] || give_up "$PWD/.venv is not ours and has no Python 3.11 to 3.13 with headers: move it away"
        rm -rf .venv
    fi
    if [ ! -e .venv ]; then
        find_python
        say "making a virtual environment in .venv with $("$python" --version)"
        mkdir .venv
        : >"$mark"
        quietly "$python" -m venv .venv || give_up "could not make .venv; see above"
    fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        quietly .venv/bin/python -m ensurepip || give_up "could not install pip in .venv; see above"
    fi
}

# A checksum of all that decides what is installed and compiled: where, with what, from what.
fingerprint() {
    {
        pwd
        .venv/bin/python -c 'import sys; print(sys.version)'
        find pyproject.toml MANIFEST.in scripts/lib.sh requirements ext -type f \
            \( -name '*.toml' -o -name '*.txt' -o -name '*.in' -o -name '*.sh' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' \
            -o -name '*.h' \) -print | LC_ALL=C sort | xargs sha256sum
    } | sha256sum | cut -d ' ' -f 1
}

extensions_built() {
    for source in ext/wattgram_ext/*.pyx; do
        set -- "${source%.pyx}".*.so
        [ -e "$1" ] || return 1
    done
}

pip_install() {
    .venv/bin/python -m pip install --disable-pip-version-check "$@"
}

# install EXTRAS: the project and its extension in .venv, in place; nothing to do when nothing changed.
# EXTRAS is "" or a list such as "test,lint". A stamp is written last, so that what was interrupted is redone.
install() {
    plain=.venv/.wattgram-installed
    stamp=$plain${1:+-$(printf %s "$1" | tr ',' '-')}
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ] && extensions_built; then
        return
    fi
    find_environment
    find_compilers .venv/bin/python
    say "installing wattgram and what it needs in .venv, and compiling its extension (a minute or a few)"
    rm -f "$plain"*
    case $1 in
    test,lint) # every version is locked, so that the checks of today are those of tomorrow
        quietly pip_install --require-hashes -r requirements/test.txt &&
            quietly pip_install --no-deps --no-build-isolation -e .
        ;;
    *) quietly pip_install -e ".${1:+[$1]}" ;;
    esac || give_up "pip could not install wattgram; see above"
    fingerprint >"$stamp"
    fingerprint >"$plain"
}

# audit_tools: the programs of requirements/audit.txt in build/audit/bin; they share no package with .venv.
audit_tools() {
    find_environment
    stamp=build/audit/installed
    [ "$(cat "$stamp" 2>/dev/null)" != "$(sha256sum requirements/audit.txt)" ] || return 0
    say "installing the tools of requirements/audit.txt in build/audit"
    rm -rf build/audit
    mkdir -p build
    quietly .venv/bin/python -m venv build/audit &&
        quietly build/audit/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements/audit.txt ||
        give_up "pip could not install requirements/audit.txt; see above"
    sha256sum requirements/audit.txt >"$stamp"
}
