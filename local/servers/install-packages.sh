#!/bin/sh
# Installs Debian packages as root and leaves no service running or enabled that was not before.
# Usage: install-packages.sh PACKAGE...
set -eu

# One at a time: what is undone at the end is what this one did.
exec 9>/run/lock/tollgate-packages
flock -w 900 9

policy=/usr/sbin/policy-rc.d
mark='# written by tollgate during an installation'
no_cluster=/etc/postgresql-common/createcluster.d/tollgate.conf
before=$(mktemp -d)
ours='^(postgresql|patroni|etcd|redis|rabbitmq|epmd|prometheus|pgbouncer)'

# By their links, since a container or chroot may have no systemctl.
list_enabled() {
  find /etc/systemd/system -path '*.wants/*' \( -name '*.service' -o -name '*.socket' \) \
    -printf '%f\n' 2>/dev/null | sort -u
}
disable() {
  if command -v systemctl >/dev/null 2>&1; then
    systemctl disable --quiet "$1"
  else
    # The helper works for package scripts only, and believes who says to be one.
    DPKG_MAINTSCRIPT_PACKAGE=tollgate deb-systemd-helper disable "$1"
    [ ! -e "/etc/init.d/${1%.service}" ] || update-rc.d "${1%.service}" disable
  fi
}
list_active() {
  [ -d /run/systemd/system ] || return 0
  systemctl list-units --no-legend --plain --state=active --type=service,socket | awk '{ print $1 }' | sort
}
# Erlang starts a daemon from package scripts, past every policy; they run as rabbitmq, which tells it from
# anybody else's.
list_epmd() {
  for folder in /proc/[0-9]*; do
    [ "$(cat "$folder/comm" 2>/dev/null || true)" = epmd ] || continue
    [ "$(stat -c %U "$folder" 2>/dev/null || true)" != rabbitmq ] || basename "$folder"
  done | sort
}

restore() {
  if grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
  rm -f "$no_cluster"
  rmdir --ignore-fail-on-non-empty -p "$(dirname "$no_cluster")" 2>/dev/null || true

  list_active >"$before/active.now"
  comm -13 "$before/active" "$before/active.now" | grep -E "$ours" |
    while read -r unit; do systemctl stop "$unit" || true; done
  list_enabled >"$before/enabled.now"
  comm -13 "$before/enabled" "$before/enabled.now" | grep -E "$ours" |
    while read -r unit; do disable "$unit" || true; done
  list_epmd >"$before/epmd.now"
  comm -13 "$before/epmd" "$before/epmd.now" |
    while read -r pid; do kill "$pid" || true; done
  rm -rf "$before"
}

list_active >"$before/active"
list_enabled >"$before/enabled"
list_epmd >"$before/epmd"
trap restore EXIT
trap 'exit 130' INT TERM HUP

# 101: "action forbidden by policy"; invoke-rc.d(8) then starts nothing. A policy that is there already is
# somebody's choice.
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi
# A machine that has PostgreSQL already keeps its way of making clusters.
if [ ! -d /etc/postgresql ]; then
  mkdir -p "$(dirname "$no_cluster")"
  echo 'create_main_cluster = false' >"$no_cluster"
fi

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
install() {
  # Without the lock: daemons that packages start would keep it.
  apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" 9>&-
}
# Package lists of an image may be missing or name versions that are gone from the mirrors.
if [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1 -print -quit 2>/dev/null)" ]; then
  install "$@" && exit 0
fi
apt-get update -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3
install "$@"
