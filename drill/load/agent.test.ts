import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { join } from "node:path";

import type { Wish } from "./wishes.ts";

const AGENT = join(import.meta.dir, "agent.ts");

function start(wish: Wish) {
  return Bun.spawn([process.execPath, AGENT, JSON.stringify(wish)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    timeout: 20_000,
  });
}

async function answerTo(wish: Wish): Promise<unknown> {
  const run = start(wish);
  const text = await new Response(run.stdout).text();
  expect(await run.exited).toBe(0);
  return JSON.parse(text);
}

test("the program of a pod tells an open port from a closed one", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const targets = [port, 1].map((one) => ({ host: "127.0.0.1", port: one }));

  expect(await answerTo({ kind: "connect", targets })).toEqual([true, false]);
  server.close();
});

test("it makes as many calls as it is told to, each with a prompt of its own, and counts", async () => {
  const prompts = new Set<string>();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { prompt, max_tokens: cap } = (await request.json()) as Record<string, unknown>;
      prompts.add(String(prompt));
      return new Response("", { status: cap === 16 && prompts.size % 2 === 0 ? 202 : 429 });
    },
  });

  const statuses = await answerTo({
    kind: "calls",
    url: server.url.href,
    headers: {},
    body: { max_tokens: 16 },
    prompt: { field: "prompt", chars: 1_000 },
    concurrency: 1,
    count: 6,
  });

  expect(statuses).toEqual({ "202": 3, "429": 3 });
  expect([...prompts].map(({ length }) => length)).toEqual(Array(6).fill(1_000));
});

test("its load goes on until standard input ends, and each line of it is an event", async () => {
  const seen = Promise.withResolvers<void>();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      seen.resolve();
      return Response.json({ code: "QUOTA_EXCEEDED" }, { status: 429 });
    },
  });
  const run = start({
    kind: "steady",
    gateway: server.url.origin,
    users: [{ userId: "ada", apiKey: "key" }],
    ratePerSecond: 50,
    firstOp: 700,
  });
  await seen.promise;
  await run.stdin.end();
  const lines = (await new Response(run.stdout).text()).trim().split("\n");
  const events = lines.map((line) => JSON.parse(line) as { type: string; op: number });

  expect(await run.exited).toBe(0);
  expect(events[0]).toMatchObject({ type: "invoke", op: 700, prompt: "load 700" });
  expect(events.filter(({ type }) => type === "invoke").length).toBe(
    events.filter(({ type }) => type === "fail").length,
  );
});
