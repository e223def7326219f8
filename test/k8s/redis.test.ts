import { expect, test } from "bun:test";

import { WITH_PARENT } from "../../local/processes/processes.ts";
import { inNamespace } from "../faults/packet-loss-namespace.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { built } from "./built.ts";

const LIMIT_MS = 200_000;

const needed = ["unshare", "ip", "mount", "openssl", "redis-cli"];
const missing = needed.filter((program) => Bun.which(program) === null);
const isRoot = process.getuid?.() === 0;
const canRun = built !== null && isRoot && missing.length === 0 && hasServerPrograms();
if (!canRun)
  console.warn(
    `SKIPPED, Redis of production is not tried: ${isRoot ? `no ${missing.join(", ")}` : "not root"}`,
  );

test.skipIf(!canRun)(
  "the production overlay's Redis takes only who has a certificate, and survives the loss of its master",
  async () => {
    const program = inNamespace([process.execPath, "test/k8s/redis-namespace.ts"]);
    const run = Bun.spawn([...WITH_PARENT, "unshare", "--mount", ...program], {
      stdout: "pipe",
      stderr: "inherit",
      timeout: LIMIT_MS - 5_000,
    });
    const [said, exitCode] = await Promise.all([new Response(run.stdout).text(), run.exited]);

    expect(exitCode).toBe(0);
    const seen: unknown = JSON.parse(said);
    process.stdout.write(`the master killed: ${said}`);
    expect(seen).toEqual({
      answers: "PONG",
      nodeWithoutCertificate: expect.stringMatching(/^refused: /),
      sentinelWithoutCertificate: expect.stringMatching(/^refused: /),
      administration: expect.stringMatching(/NOPERM/),
      failover: expect.stringMatching(/NOPERM/),
      failoverMs: expect.any(Number),
    });
  },
  LIMIT_MS,
);
