import { type Kubectl, podsOf } from "./kubectl.ts";
import { NAMESPACE } from "./parts.ts";

/** The pod of PostgreSQL that takes writes. */
export async function primaryOf(kubectl: Kubectl, cluster = "postgres"): Promise<string> {
  const path = "jsonpath={.status.currentPrimary}";
  return await kubectl.run([
    "-n",
    NAMESPACE,
    "get",
    "clusters.postgresql.cnpg.io",
    cluster,
    "-o",
    path,
  ]);
}

/** The rows of a query, read by the primary's own superuser, past all of Tollgate's programs. */
export async function queryPostgres<Row>(
  kubectl: Kubectl,
  query: string,
  cluster = "postgres",
): Promise<Row[]> {
  const pod = await primaryOf(kubectl, cluster);
  const sql = `select coalesce(json_agg(row_to_json(r)), '[]') from (${query}) r`;
  const out = await kubectl.run(
    ["-n", NAMESPACE, "exec", pod, "-c", "postgres", "--"].concat(
      ["psql", "--dbname=tollgate", "--no-psqlrc", "--tuples-only", "--no-align"],
      ["--command", sql],
    ),
  );
  return JSON.parse(out) as Row[];
}

/** The pod of the Redis that takes writes, as the Sentinels say. */
export async function masterOf(kubectl: Kubectl): Promise<string> {
  const ask = [
    "REDISCLI_AUTH=$REPLICATION_PASSWORD timeout 5 redis-cli --user sentinel --tls",
    "--cacert /tls/ca.crt --cert /tls/tls.crt --key /tls/tls.key",
    '-h "$(hostname).$DOMAIN" -p 26379 sentinel get-master-addr-by-name tollgate',
  ].join(" ");
  for (const pod of await podsOf(kubectl, NAMESPACE, "app.kubernetes.io/name=redis")) {
    const { exitCode, out } = await kubectl.attempt([
      "-n",
      NAMESPACE,
      "exec",
      pod,
      "-c",
      "sentinel",
      "--",
      "sh",
      "-c",
      ask,
    ]);
    const master = out.split(/[.\n]/)[0] ?? "";
    if (exitCode === 0 && master.startsWith("redis-")) return master;
  }
  throw new Error("no Sentinel names a master");
}

/**
 * The pod of RabbitMQ that leads a queue. Asked of this queue alone: a list of all waits a minute for each
 * that is slow to say.
 */
export async function leaderOf(kubectl: Kubectl, queue: string): Promise<string> {
  const out = await kubectl.run(
    ["-n", NAMESPACE, "exec", "rabbitmq-server-0", "-c", "rabbitmq", "--"].concat(
      ["rabbitmq-queues", "quorum_status", "--quiet", "--formatter=json"],
      queue,
    ),
  );
  const members = JSON.parse(out) as { "Node Name": string; "Raft State": string }[];
  const leader = members.find((member) => member["Raft State"] === "leader")?.["Node Name"];
  // rabbit@rabbitmq-server-1.rabbitmq-nodes.tollgate
  const pod = leader?.split("@")[1]?.split(".")[0];
  if (pod === undefined) throw new Error(`no node leads ${queue}`);
  return pod;
}
