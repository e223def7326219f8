import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Socket } from "bun";

import { writeCalls } from "../calls.ts";
import type { LoadReport } from "../../figures.ts";
import type { LoadJob } from "../run-load.ts";

const ANSWER = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
const TOGETHER = 3;
const CALLS = 3 * TOGETHER;

/**
 * Closes its first connections while they are idle, and answers calls three by three, so that the generator
 * needs several connections.
 */
function listenImpatiently(closes: number) {
  let opened = 0;
  let unanswered: Socket[] = [];
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        opened += 1;
        if (opened <= closes) socket.end();
      },
      data: (socket) => {
        unanswered.push(socket);
        if (unanswered.length < TOGETHER) return;
        for (const one of unanswered) one.write(ANSWER);
        unanswered = [];
      },
    },
  });
}

async function runPaced(job: LoadJob): Promise<LoadReport> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts")], {
    env: { ...process.env, BENCH_JOB: JSON.stringify(job) },
    stdout: "pipe",
  });
  return JSON.parse(await new Response(child.stdout).text()) as LoadReport;
}

test("a connection that its server closed while it was idle costs no call", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-paced-"));
  const server = listenImpatiently(3);
  const url = `http://127.0.0.1:${server.port}`;
  const calls = [{ method: "GET", path: "/", headers: {}, body: null } as const];

  const files = writeCalls(calls, url, join(folder, "calls"));
  const times = { ratePerSecond: CALLS, seconds: 1, graceSeconds: 5, bucketSeconds: 1 };
  const job = { url, files, ...times, connections: 4, status: 202 };
  const { expected, unexpected, dropped } = await runPaced(job);
  server.stop(true);
  rmSync(folder, { recursive: true });

  expect([expected, unexpected, dropped]).toEqual([CALLS, {}, 0]);
});
