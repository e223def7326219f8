import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";

import { newPassword } from "../../local/servers/password.ts";
import { type Authority, makeAuthority } from "../../local/tls/authority.ts";
import { silentLog } from "../../runtime/log.ts";
import { makeServerHome } from "../../test/faults/servers/server-home.ts";
import { hasServerPrograms } from "../../test/support/private-servers.ts";
import { clientFiles, type RedisNode, startRedisNode } from "../../test/support/redis-node.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { openTlsFiles } from "../tls/tls-files.ts";
import { connectRedis, type RedisConnection } from "./connection.ts";

setDefaultTimeout(20_000);

const TIMEOUT_MS = 1_000;
const WAIT_MS = 5_000;
const LOOK_MS = 10;

interface Files {
  ca?: string;
  cert?: string;
  key?: string;
}

describe.skipIf(!hasServerPrograms())("TLS to a Redis that demands certificates", () => {
  const home = makeServerHome();
  const password = newPassword();
  let authority: Authority;
  let others: Authority;
  let node: RedisNode;
  let files: Required<Files>;
  let control: RedisConnection;

  beforeAll(async () => {
    mkdirSync(join(home.folder, "tls"));
    authority = await makeAuthority(join(home.folder, "tls"));
    others = await makeAuthority(join(home.folder, "others"), "Another");
    await authority.issue({ name: "client" });
    files = clientFiles(home.folder, authority);
    const [port = 0] = await findFreePorts(1);
    node = await startRedisNode({ folder: home.folder, password, authority }, "redis", port, []);
    control = await connect(files);
    await control.untilReady(WAIT_MS);
  });
  afterAll(async () => {
    control.close();
    await node.process.kill();
    home.remove();
  });

  async function connect(
    own: Files | undefined,
    {
      host = "127.0.0.1",
      onError = () => {},
    }: { host?: string; onError?: (error: string) => void } = {},
  ): Promise<RedisConnection> {
    const tls =
      own && (await openTlsFiles(own, { log: silentLog, name: "redis", lookMs: LOOK_MS }));
    return connectRedis({
      url: `rediss://:${password}@${host}:${node.port}`,
      commandTimeoutMs: TIMEOUT_MS,
      name: "test",
      log: { ...silentLog, debug: (fields) => onError(JSON.stringify(fields)) },
      ...(tls && { tls }),
    });
  }

  /** Why the server was not taken, or the client not; `connected` when both were. */
  async function tryToConnect(own: Files | undefined, host?: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const redis = await connect(own, { ...(host && { host }), onError: resolve });
    redis.onReady(() => resolve("connected"));
    try {
      return await promise;
    } finally {
      redis.close();
    }
  }

  /** Gives the server another certificate while `act` runs. */
  async function withCertificate<Result>(
    wish: { hosts: string[]; days?: number },
    act: () => Promise<Result>,
  ): Promise<Result> {
    const { cert, key } = await authority.issue({ name: "other", ...wish });
    const own = await authority.issue({ name: "redis", hosts: ["127.0.0.1", "localhost"] });
    const present = (pair: { cert: string; key: string }): Promise<unknown> =>
      control.run(({ client }) =>
        client.call("CONFIG", "SET", "tls-cert-file", pair.cert, "tls-key-file", pair.key),
      );
    await present({ cert, key });
    try {
      return await act();
    } finally {
      await present(own);
    }
  }

  test.each(["127.0.0.1", "localhost"])("the right certificates connect to %s", async (host) => {
    expect(await tryToConnect(files, host)).toBe("connected");
  });

  test("a server of an authority that we do not trust is refused", async () => {
    expect(await tryToConnect({ ...files, ca: others.ca })).toMatch(/certificate/i);
  });

  test("so is one that the authorities of the machine do not know, when none are named", async () => {
    expect(await tryToConnect({ cert: files.cert, key: files.key })).toMatch(/certificate/i);
  });

  test.each(["127.0.0.1", "localhost"])(
    "a server whose certificate is for another name than %s is refused",
    async (host) => {
      const why = await withCertificate({ hosts: ["redis.example"] }, () =>
        tryToConnect(files, host),
      );

      expect(why).toMatch(/altnames|does not match/i);
    },
  );

  test("a server whose certificate has ended is refused", async () => {
    const why = await withCertificate({ hosts: ["127.0.0.1"], days: -1 }, () =>
      tryToConnect(files),
    );

    expect(why).toMatch(/expired/i);
  });

  test("no server is taken unchecked, even if the environment says so for all of Node", async () => {
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      expect(await tryToConnect({ ...files, ca: others.ca })).toMatch(/certificate/i);
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    }
  });

  test("without the certificate that the server demands nothing connects", async () => {
    expect(await tryToConnect({ ca: files.ca })).not.toBe("connected");
  });

  test("renewed files are what the next connection uses, while the one that stands goes on", async () => {
    const own = {
      ca: files.ca,
      cert: join(home.folder, "own.pem"),
      key: join(home.folder, "own.key"),
    };
    const stranger = await others.issue({ name: "stranger" });
    const bring = async (pair: { cert: string; key: string }): Promise<void> => {
      await copyFile(pair.key, own.key);
      await copyFile(pair.cert, own.cert);
    };
    await bring(files);
    const tls = await openTlsFiles(own, { log: silentLog, name: "redis", lookMs: LOOK_MS });
    const renewal = (): Promise<void> =>
      new Promise((resolve) => {
        const stop = tls.onRenewed(() => {
          stop();
          resolve();
        });
      });
    let refused = Promise.withResolvers<void>();
    const redis = connectRedis({
      url: `rediss://:${password}@127.0.0.1:${node.port}`,
      commandTimeoutMs: TIMEOUT_MS,
      name: "test",
      tls,
      log: { ...silentLog, debug: () => refused.resolve() },
    });
    await redis.untilReady(WAIT_MS);
    const { client } = redis.server();

    let renewed = renewal();
    await bring(stranger);
    await renewed;
    const answer = await redis.run((server) => server.client.ping());
    refused = Promise.withResolvers();
    client.disconnect(true);
    await refused.promise;
    const wasReady = redis.isReady();
    renewed = renewal();
    await bring(files);
    await renewed;
    await redis.untilReady(WAIT_MS);

    expect(answer).toBe("PONG");
    expect(wasReady).toBe(false);
    expect(await redis.run((server) => server.client.ping())).toBe("PONG");
    redis.close();
    tls.close();
  });
});
