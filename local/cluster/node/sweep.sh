#!/bin/bash
# sweep.sh FOLDER GROUP...
# Waits until its standard input ends, which is when the process that started the cluster stops or dies. Then
# it kills what still runs in the control groups, and removes them and the folder.
trap '' HUP INT TERM
folder=$1
shift
cat >/dev/null

sweep() {
  local group clean=0
  for group in "$@"; do
    [ -d "$group" ] || continue
    find "$group" -name cgroup.procs -exec cat {} + | xargs --no-run-if-empty kill -KILL
    find "$group" -depth -type d -delete
    [ ! -d "$group" ] || clean=1
  done
  return "$clean"
}

for ((try = 0; try < 300; try++)); do
  if sweep "$@" 2>/dev/null; then
    # Mounts of the cluster were in namespaces that are gone.
    exec rm -rf --one-file-system "$folder"
  fi
  sleep 0.1
done
exit 1
