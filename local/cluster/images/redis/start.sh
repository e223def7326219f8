#!/bin/sh
# The official image is compiled without protected mode; Debian's Redis has it on.
set -eu
if [ "$1" = redis-server ]; then
  shift
  set -- redis-server --protected-mode no "$@"
fi
exec "$@"
