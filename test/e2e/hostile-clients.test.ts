import { connect, type Socket } from "node:net";
import { connect as connectEncrypted } from "node:tls";

import { expect } from "bun:test";

import { createSignals } from "../../adapters/redis/signals.ts";
import { listKeys, revokeKey } from "../../adapters/postgres/api-keys.ts";
import { setQuota, TEST_ACT } from "../support/postgres.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

const BODY_TIMEOUT_MS = 2_000;
const test = testsOnStack({
  gateways: 2,
  settings: { gateway: { body_timeout_ms: BODY_TIMEOUT_MS } },
});

/** A gateway that keeps others waiting for so long was busy with one caller at their expense. */
const BLOCKED_MS = 500;
/** A machine that is busy with something else is so now and then, a gateway with such a call each time. */
const TRIES = 5;
const DRIPPING = 200;

/** The longest that another caller waited for a response while `act` ran. */
async function longestWait(stack: TestStack, act: () => Promise<void>): Promise<number> {
  const url = `${stack.gateways[0]?.url}/health/live`;
  const over = new AbortController();
  let longestMs = 0;
  const watching = (async () => {
    while (!over.signal.aborted) {
      const startedMs = performance.now();
      await (await fetch(url)).text();
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      await Bun.sleep(5);
    }
  })();
  await act();
  over.abort();
  await watching;
  return longestMs;
}

/** A connection to the gateway, encrypted where it is. */
function openSocket({ protocol, hostname: host, port }: URL): Socket {
  return protocol === "https:"
    ? connectEncrypted({ host, port: Number(port), rejectUnauthorized: false })
    : connect(Number(port), host);
}

const BOMBS: readonly { name: string; body: string }[] = [
  { name: "JSON nested a hundred thousand times", body: `${"[".repeat(1e5)}${"]".repeat(1e5)}` },
  {
    name: "metadata nested ten thousand times",
    body: `{"prompt":"a","metadata":${'{"a":'.repeat(1e4)}1${"}".repeat(1e4)}}`,
  },
  {
    name: "an object of a hundred thousand unknown keys",
    body: `{${Array.from({ length: 1e5 }, (_, index) => `"${index}":1`).join()}}`,
  },
  { name: "half a megabyte of one letter", body: JSON.stringify({ prompt: "a".repeat(500_000) }) },
  {
    name: "half a megabyte of one ideograph",
    body: JSON.stringify({ prompt: "漢".repeat(170_000) }),
  },
  { name: "half a megabyte of emoji", body: JSON.stringify({ prompt: "👩‍🚀".repeat(40_000) }) },
  {
    name: "half a megabyte of base64",
    body: JSON.stringify({ prompt: Buffer.alloc(375_000, 7).toString("base64") }),
  },
];

for (const { name, body } of BOMBS)
  test(`${name} gets an answer and keeps nobody else waiting`, async (stack) => {
    const api = stack.api(await stack.addUser());
    let status = 0;
    const waitsMs: number[] = [];
    while (waitsMs.length < TRIES && !waitsMs.some((ms) => ms < BLOCKED_MS)) {
      const waitMs = await longestWait(stack, async () => {
        const reply = await api.call("/generate", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body,
        });
        status = reply.status;
      });
      waitsMs.push(waitMs);
    }

    expect(status === 202 || (status >= 400 && status < 500)).toBe(true);
    expect(Math.min(...waitsMs)).toBeLessThan(BLOCKED_MS);
    await stack.books.untilQuiet();
  });

test(`${DRIPPING} connections that never finish their call do not keep others waiting`, async (stack) => {
  const { hostname, port } = new URL(stack.gateways[0]?.url ?? "");
  const api = stack.api(await stack.addUser());
  const sockets: Socket[] = Array.from({ length: DRIPPING }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.write("POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nX-Slow: ");
    return socket;
  });

  const accepted = await api.generate({ prompt: "in between" });
  const ended = await api.untilEnded(accepted.request_id);

  for (const socket of sockets) socket.destroy();
  expect(ended.status).toBe("completed");
});

test("uploads that do not end are bounded by their user's bytes, and are cut", async (stack) => {
  const user = await stack.addUser();
  // Of a megabyte each; a user may have 32.
  const replies = Array.from({ length: 40 }, () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let reply = "";
    const socket = openSocket(new URL(stack.gateways[0]?.url ?? ""));
    socket.on("data", (data) => (reply += data.toString()));
    socket.on("error", () => {});
    socket.on("close", () => resolve(reply.split("\r\n")[0] ?? ""));
    socket.write(
      `POST /generate HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${user.apiKey}\r\n` +
        "Content-Type: application/json\r\nContent-Length: 1048576\r\n\r\n{",
    );
    return promise;
  });
  const other = stack.api(await stack.addUser());

  const accepted = await other.generate({ prompt: "in between" });
  const ended = await other.untilEnded(accepted.request_id);

  const seen = Object.groupBy(await Promise.all(replies), (line) => line);
  expect(ended.status).toBe("completed");
  expect(
    Object.fromEntries(Object.entries(seen).map(([line, all]) => [line, all?.length])),
  ).toEqual({
    "HTTP/1.1 429 Too Many Requests": 8,
    "HTTP/1.1 408 Request Timeout": 32,
  });
  // Its place is free again.
  const { request_id: id } = await stack.api(user).generate({ prompt: "a whole one" });
  expect((await stack.api(user).untilEnded(id)).status).toBe("completed");
});

test("a revoked key is refused on every gateway at once; what it had accepted completes", async (stack) => {
  const user = await stack.addUser();
  const { database, redis } = stack.books;
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const signals = createSignals(redis, {
    url: stack.urls.redis,
    commandTimeoutMs: 5_000,
    name: "test",
    log: silent,
  });
  const requests = await Promise.all(
    [0, 1].map((gateway) => stack.api(user, gateway).generate({ prompt: "[[sim:slow:500]]" })),
  );

  const [key] = await listKeys(database, user.userId);
  const hash = await revokeKey(database, key?.keyId ?? "", TEST_ACT);
  const keyHash = Buffer.from(hash ?? []).toString("base64url");
  await redis.run(({ client }) => client.del(`key:${keyHash}`));
  await signals.announceKeyChange(keyHash);

  for (const gateway of [0, 1])
    await untilTrue(`gateway ${gateway} refuses the key`, 2_000, async () => {
      const { status } = await stack.api(user, gateway).post({ prompt: "after" });
      return status === 401;
    });
  signals.close();
  await stack.books.untilQuiet();
  const ids = `{${requests.map(({ request_id: id }) => id).join()}}`;
  const rows = await database.run(
    "read states",
    (sql) => sql<{ status: string }[]>`
      select status from requests where request_id = any(${ids}::uuid[])`,
  );
  expect(rows.map(({ status }) => status)).toEqual(["completed", "completed"]);
});

test("a changed quota takes effect at once and forgets nothing that was used", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  const { database, quota } = stack.books;
  const open = await api.generate({ prompt: "settles meanwhile [[sim:slow:500]]", max_tokens: 20 });

  await setQuota(database, {
    userId: user.userId,
    window: "daily",
    tier: "unlimited",
    requests: 1,
    tokens: -1,
  });
  await quota.setLimits(user.userId, {
    windows: { daily: { requests: 1, tokens: null }, monthly: { requests: null, tokens: null } },
    failedExecutions: { daily: null, monthly: null },
    concurrentRequests: null,
  });
  const refused = await api.post({ prompt: "one too many" });
  const ended = await api.untilEnded(open.request_id);
  await stack.books.untilQuiet();

  expect(refused.status).toBe(429);
  const snapshot = await quota.read(user.userId);
  expect(snapshot?.windows.daily).toMatchObject({
    limit: { requests: 1 },
    used: { requests: 1, tokens: ended.tokens.total ?? -1 },
  });
  const { differences } = await stack.books.audit();
  expect(differences).toEqual([]);
});
