#!/bin/sh
# Starts one Redis node as the follower of whatever master the Sentinels name; on the very first start node 0
# is the master. Environment: NODES, DOMAIN (of the headless service), TOLLGATE_PASSWORD,
# REPLICATION_PASSWORD.
set -eu
self="$(hostname).$DOMAIN"
hash() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

# Without the administrative commands; INFO for the client's readiness check, SCRIPT LOAD because the scripts
# are called by digest.
cat > /run/redis/users.acl <<ACL
user default off
user tollgate on #$(hash "$TOLLGATE_PASSWORD") ~* &* +@all -@admin -@dangerous +info +script|load
user replication on #$(hash "$REPLICATION_PASSWORD") &* +psync +replconf +ping +info +multi +exec \
+slaveof +replicaof +config|rewrite +client|setname +client|kill +subscribe +publish +script|kill +role
ACL

master=
for node in $(seq 0 $((NODES - 1))); do
  master=$(REDISCLI_AUTH=$REPLICATION_PASSWORD timeout 3 redis-cli --user sentinel \
    --tls --cacert /tls/ca.crt --cert /tls/tls.crt --key /tls/tls.key -h "redis-$node.$DOMAIN" -p 26379 \
    sentinel get-master-addr-by-name tollgate 2>/dev/null | head -n 1) || master=
  [ -n "$master" ] && break
done
master=${master:-redis-0.$DOMAIN}

set -- --port 0 --tls-port 6379 --tls-cert-file /tls/tls.crt --tls-key-file /tls/tls.key \
  --tls-ca-cert-file /tls/ca.crt --tls-auth-clients yes --tls-replication yes --dir /data \
  --aclfile /run/redis/users.acl --masteruser replication --masterauth "$REPLICATION_PASSWORD" \
  --replica-announce-ip "$self" \
  --appendonly yes --appendfsync everysec --maxmemory-policy noeviction --maxmemory 1gb \
  --min-replicas-to-write 1 --min-replicas-max-lag 10
[ "$master" = "$self" ] || set -- "$@" --replicaof "$master" 6379
exec redis-server "$@"
