import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { findFreePorts } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { silentLog } from "../../runtime/log.ts";
import { makeServerHome } from "../../test/faults/servers/server-home.ts";
import { hasServerPrograms } from "../../test/support/private-servers.ts";
import { type RedisNode, startRedisNode } from "../../test/support/redis-node.ts";
import { redisUrl } from "../../test/support/servers.ts";
import { connectRedis, type RedisConnection } from "./connection.ts";
import { RedisSetupError } from "./greeting.ts";
import type { RedisOptions } from "./options.ts";

setDefaultTimeout(20_000);

const WAIT_MS = 5_000;

const connect = (options: Partial<RedisOptions> & { url: string }): RedisConnection =>
  connectRedis({ commandTimeoutMs: 1_000, name: "test", log: silentLog, ...options });

/** What a start says of these options. */
async function refusalOf(options: Partial<RedisOptions> & { url: string }): Promise<unknown> {
  const redis = connect(options);
  try {
    return await redis.untilReady(WAIT_MS).catch((error: unknown) => error);
  } finally {
    redis.close();
  }
}

test("a cluster that is configured where there is none is refused at once, with what to set", async () => {
  const url = redisUrl();

  const error = await refusalOf({ url, cluster: { nodes: [new URL(url).host] } });

  expect(error).toBeInstanceOf(RedisSetupError);
  expect(String(error)).toContain("remove redis.cluster");
});

test("a database that the server does not have is refused at once", async () => {
  const url = new URL(redisUrl());
  url.pathname = "/99999";

  const error = await refusalOf({ url: url.href });

  expect(error).toBeInstanceOf(RedisSetupError);
  expect(String(error)).toContain(
    "redis.url names the database 99999: ERR DB index is out of range",
  );
});

test("a user and a password of the URL may have any character, percent-encoded", async () => {
  const [user, password] = ["us@er/ö", "p@:s/s%25?#&+ ü"];
  const admin = connect({ url: redisUrl() });
  await admin.untilReady(WAIT_MS);
  await admin.run(({ client }) =>
    client.call("ACL", "SETUSER", user, "on", `>${password}`, "~*", "&*", "+@all"),
  );
  const url = new URL(redisUrl());
  url.username = "";
  url.password = "";
  const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;

  const redis = connect({ url: url.href.replace("redis://", `redis://${credentials}@`) });
  await redis.untilReady(WAIT_MS);

  expect(await redis.run(({ client }) => client.call("ACL", "WHOAMI"))).toBe(user);
  redis.close();
  await admin.run(({ client }) => client.call("ACL", "DELUSER", user));
  admin.close();
});

describe.skipIf(!hasServerPrograms())("a URL that leads to a part of a group", () => {
  const home = makeServerHome();
  const group = { folder: home.folder, password: newPassword(), authority: undefined };
  let node: RedisNode;
  let sentinel: RedisNode;
  const urlOf = ({ address }: RedisNode): string => `redis://:${group.password}@${address}`;

  beforeAll(async () => {
    const [nodePort = 0, busPort = 0, sentinelPort = 0] = await findFreePorts(3);
    node = await startRedisNode(group, "node", nodePort, [
      "cluster-enabled yes",
      `cluster-port ${busPort}`,
    ]);
    sentinel = await startRedisNode(group, "sentinel", sentinelPort, [], true);
  });
  afterAll(async () => {
    await Promise.all([node.process.kill(), sentinel.process.kill()]);
    home.remove();
  });

  test("to a node of a cluster, is refused at once, and says what to set", async () => {
    const error = await refusalOf({ url: urlOf(node) });

    expect(error).toBeInstanceOf(RedisSetupError);
    expect(String(error)).toContain("redis.cluster.nodes");
  });

  test("to a Sentinel, is refused at once, and says what to set", async () => {
    const error = await refusalOf({ url: urlOf(sentinel) });

    expect(error).toBeInstanceOf(RedisSetupError);
    expect(String(error)).toContain("redis.sentinels.nodes");
  });
});
