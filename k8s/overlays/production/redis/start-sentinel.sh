#!/bin/sh
# Starts one Sentinel; it learns the master from the others, or takes node 0 on the very first start.
# Environment as start-redis.sh.
set -eu
self="$(hostname).$DOMAIN"
hash() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

# Tollgate asks who is the master, and hears of a new one; it may change nothing.
cat > /run/redis/users.acl <<ACL
user default off
user sentinel on #$(hash "$REPLICATION_PASSWORD") &* +@all
user tollgate on #$(hash "$TOLLGATE_PASSWORD") &* +ping +info +subscribe \
+sentinel|get-master-addr-by-name +sentinel|sentinels
ACL

master=
for node in $(seq 0 $((NODES - 1))); do
  master=$(REDISCLI_AUTH=$REPLICATION_PASSWORD timeout 3 redis-cli --user sentinel \
    --tls --cacert /tls/ca.crt --cert /tls/tls.crt --key /tls/tls.key -h "redis-$node.$DOMAIN" -p 26379 \
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
tls-auth-clients yes
tls-replication yes
dir /run/redis
aclfile /run/redis/users.acl
sentinel sentinel-user sentinel
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
