#!/bin/bash
# enter.sh GROUP... -- COMMAND...
# Runs a command in namespaces of its own for mounts, control groups, network, processes, names and IPC,
# within the control groups GROUP. The command is process 1 there: when it ends, all that runs there is
# killed.
set -euo pipefail
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
exec unshare --mount --cgroup --net --pid --uts --ipc --fork --kill-child "$@"
