#!/bin/bash
# init.sh NAME FOLDER CPUS
# Process 1 of a machine of the cluster. Prints `up PID`, its id outside, once the machine is set up. Then it
# starts the programs that standard input names: a name, the command, its arguments, each ended by a zero
# byte, and a zero byte more. Prints `ended NAME CODE` when one of them ends. It ends with its standard input.
set -euo pipefail
name=$1 folder=$2 cpus=$3
export PATH=$PATH:/usr/sbin:/sbin
# This is still the /proc outside.
read -r pid _ </proc/self/stat
mount -t proc proc /proc
hostname "$name"

umount --lazy /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
# Version 2 has a line without controllers.
while IFS=: read -r _ controllers _; do
  [ -n "$controllers" ] || continue
  mkdir "/sys/fs/cgroup/${controllers#name=}"
  case $controllers in name=*) options=none,$controllers ;; *) options=$controllers ;; esac
  mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${controllers#name=}"
done </proc/self/cgroup

# The kubelet counts the CPUs in these folders where the machine has no NUMA nodes. It gives away more of them
# than there are, so that requests need not be cut. Those that are online are real ones; pods have a /sys of
# their own, and see these alone.
mount -t tmpfs tmpfs /sys/devices/system/node
mount -t tmpfs tmpfs /sys/devices/system/cpu
cat /sys/fs/cgroup/cpuset/cpuset.cpus >/sys/devices/system/cpu/online
for ((cpu = 0; cpu < cpus; cpu++)); do
  topology=/sys/devices/system/cpu/cpu$cpu/topology
  mkdir -p "$topology"
  echo "$cpu" >"$topology/core_id"
  echo 0 >"$topology/physical_package_id"
done

mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
# What programs write below /var stays in the folder.
for part in lib log; do
  mkdir -p "$folder/var/$part" "$folder/var/.$part"
  mount -t overlay -o "lowerdir=/var/$part,upperdir=$folder/var/$part,workdir=$folder/var/.$part" \
    overlay "/var/$part"
done
# The kubelet sets what belongs to the whole kernel, unless it is as the kubelet wants it.
mkdir /run/kernel
while read -r setting value; do
  echo "$value" >"/run/kernel/${setting##*/}"
  mount --bind "/run/kernel/${setting##*/}" "/proc/sys/$setting"
done <<'SETTINGS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SETTINGS
# Mounts of the kubelet have to reach the pods.
mount --make-rshared /

cd /proc/sys/net/ipv4
echo 1 >ip_forward
echo 0 >conf/all/rp_filter
echo 1 >conf/all/route_localnet
cd /

run() {
  local program=$1 code=0
  shift
  "$@" </dev/null >>"$folder/logs/$program.log" 2>&1 || code=$?
  echo "ended $program $code"
}

mkdir -p "$folder/logs"
echo "up $pid"
words=()
while IFS= read -r -d '' word; do
  if [ -n "$word" ]; then
    words+=("$word")
  else
    run "${words[@]}" &
    words=()
  fi
done
