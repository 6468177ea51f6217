#!/bin/sh
# Fails if the lists of what to install differ: each library that CMakeLists.txt looks for must have
# its package in debian/control, scripts/setup and scripts/test-arm64, each program, manual page
# and file of config and systemd must be in a Debian package, and the versions must agree.
# Usage: debian.sh SOURCE_DIR
set -eu
cd "$1"
bad=0
complain() {
    echo "$*" >&2
    bad=1
}

modules=$(sed -nE 's/^ *pkg_check_modules\(.* ([a-z_]+)(>=[0-9.]+)?\)$/\1/p' CMakeLists.txt | sort -u)
[ "$(echo "$modules" | wc -l)" -ge 5 ] || complain "CMakeLists.txt names libraries in another way than this check knows"
for module in $modules; do
    case $module in
    libcurl) package=libcurl4-openssl-dev ;;
    libcjson | hiredis | libevent_core | cmocka | libsystemd | libmicrohttpd | hiredis_ssl)
        package=lib$(echo "$module" | sed -E 's/^lib//; s/_(core|ssl)$//')-dev
        ;;
    *) complain "tests/checks/debian.sh does not know the package of $module" && continue ;;
    esac
    for list in debian/control scripts/setup scripts/test-arm64; do
        grep -qE "(^|[ ,(])$package([ ,)]|\$)" "$list" || complain "$list lacks $package"
    done
done

programs=$(sed -nE 's/^install\(TARGETS (.*) RUNTIME.*/\1/p' CMakeLists.txt)
[ -n "$programs" ] || complain "CMakeLists.txt installs no program that this check sees"
for program in $programs; do
    grep -qx "usr/bin/$program" debian/*.install || complain "no Debian package has $program"
done
for page in docs/man/*.[1-9]; do
    grep -qx "$page" debian/*.manpages || complain "no Debian package has $page"
done

for file in config/* config/*/* systemd/catalog/* systemd/ollama.service.d/*; do
    [ -f "$file" ] || continue
    grep -qE "^($file|$(dirname "$file")) " debian/*.install || complain "no Debian package has $file"
done

version=$(sed -nE 's/^project\(orion VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
grep -qE "^orion \($version-[0-9]+\)" debian/changelog ||
    complain "debian/changelog does not begin with version $version"
exit "$bad"
