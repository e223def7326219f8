#!/bin/sh
# Starts one Sentinel; it learns the master from the others, or takes node 0 on the very first start.
# Environment as start-redis.sh.
set -eu
self="$(hostname).$DOMAIN"
master=
for node in $(seq 0 $((NODES - 1))); do
  master=$(timeout 3 redis-cli --tls --cacert /tls/ca.crt -h "redis-$node.$DOMAIN" -p 26379 \
    --user default -a "$REPLICATION_PASSWORD" --no-auth-warning \
    sentinel get-master-addr-by-name tollgate 2>/dev/null | head -n 1) || master=
  [ -n "$master" ] && break
done
master=${master:-redis-0.$DOMAIN}

# A name that does not resolve yet ends a Sentinel at once; the pod's own record appears within seconds.
attempt=0
until getent hosts "$master" > /dev/null; do
  attempt=$((attempt + 1))
  [ "$attempt" -lt 60 ] || { echo "$master does not resolve" >&2; exit 1; }
  sleep 1
done

cat > /run/redis/sentinel.conf <<CONF
port 0
tls-port 26379
tls-cert-file /tls/tls.crt
tls-key-file /tls/tls.key
tls-ca-cert-file /tls/ca.crt
tls-auth-clients no
tls-replication yes
dir /run/redis
requirepass $REPLICATION_PASSWORD
sentinel sentinel-pass $REPLICATION_PASSWORD
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $self
sentinel monitor tollgate $master 6379 2
sentinel auth-user tollgate replication
sentinel auth-pass tollgate $REPLICATION_PASSWORD
sentinel down-after-milliseconds tollgate 5000
sentinel failover-timeout tollgate 30000
sentinel parallel-syncs tollgate 1
CONF
exec redis-sentinel /run/redis/sentinel.conf
