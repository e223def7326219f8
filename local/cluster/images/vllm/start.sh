#!/bin/bash
# Starts the simulator by the options that k8s/overlays/production gives to vLLM. What has no meaning for a
# simulator is dropped.
set -euo pipefail
options=(--host 0.0.0.0)
for option in "$@"; do
  value=${option#*=}
  case $option in
    --port=*) options+=(--port "$value") ;;
    --ssl-certfile=*) options+=(--tls-cert "$value") ;;
    --ssl-keyfile=*) options+=(--tls-key "$value") ;;
    --ssl-ca-certs=*) options+=(--tls-ca "$value") ;;
  esac
done
exec bun ml-sim/main.ts "${options[@]}"
