import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { findFreePorts } from "../../local/processes/ports.ts";
import { newPassword } from "../../local/servers/password.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { silentLog } from "../../runtime/log.ts";
import { makeServerHome } from "../../test/faults/servers/server-home.ts";
import { hasServerPrograms } from "../../test/support/private-servers.ts";
import { type RedisNode, startRedisNode } from "../../test/support/redis-node.ts";
import { connectRedis, type RedisConnection } from "./connection.ts";

setDefaultTimeout(30_000);

const WAIT_MS = 10_000;

describe.skipIf(!hasServerPrograms())("two servers that change places", () => {
  const home = makeServerHome();
  const group = { folder: home.folder, password: newPassword(), authority: undefined };
  let one: RedisNode;
  let other: RedisNode;
  let connections: RedisConnection[];

  const connect = ({ address }: RedisNode): RedisConnection =>
    connectRedis({
      url: `redis://:${group.password}@${address}`,
      commandTimeoutMs: 1_000,
      name: "test",
      log: silentLog,
    });

  async function follow(replica: RedisNode, master: RedisNode): Promise<void> {
    await replica.ask("REPLICAOF", "127.0.0.1", master.port);
    await untilTrue("the replica has a copy", WAIT_MS, async () =>
      String(await replica.ask("INFO", "replication")).includes("master_link_status:up"),
    );
  }

  /** What a connection that stands says when the server has become another instance. */
  function nextInstance(redis: RedisConnection): Promise<string> {
    const { instance: before } = redis.server();
    const { promise, resolve } = Promise.withResolvers<string>();
    redis.onReady(({ instance }) => {
      if (instance !== before) resolve(instance);
    });
    return promise;
  }

  beforeAll(async () => {
    const lines = [`masterauth ${group.password}`, "repl-diskless-sync-delay 0"];
    const [onePort = 0, otherPort = 0] = await findFreePorts(2);
    one = await startRedisNode(group, "one", onePort, lines);
    other = await startRedisNode(group, "other", otherPort, lines);
    connections = [connect(one), connect(other)];
    await Promise.all(connections.map((redis) => redis.untilReady(WAIT_MS)));
  });
  afterAll(async () => {
    for (const redis of connections) redis.close();
    await Promise.all([one.process.kill(), other.process.kill()]);
    home.remove();
  });

  test("are another instance each time they become the master, for standing connections too", async () => {
    const [ofOne, ofOther] = connections;
    if (ofOne === undefined || ofOther === undefined) throw new Error("nothing is connected");
    const atFirst = ofOne.server().instance;
    await follow(other, one);

    const promoted = nextInstance(ofOther);
    await other.ask("REPLICAOF", "NO", "ONE");
    const second = await promoted;
    await follow(one, other);
    const returned = nextInstance(ofOne);
    await one.ask("REPLICAOF", "NO", "ONE");
    const third = await returned;

    expect(new Set([atFirst, second, third]).size).toBe(3);
    // The same process all the time.
    expect(third).toStartWith(`${atFirst}:`);
  });
});
