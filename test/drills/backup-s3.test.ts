import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findFreePorts, waitForListener } from "../../local/processes/ports.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";
import { makeAuthority } from "../../local/tls/authority.ts";
import { bringGoProgram } from "../support/go-program.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { type LocalUp, makeLocalUp } from "./local-up.ts";
import { filesBelow } from "./repository-files.ts";

const STEP_LIMIT_MS = 240_000;
const START_LIMIT_MS = 10_000;
const SECRET = "secret-5d0c1e77";

const versitygw = hasServerPrograms()
  ? await bringGoProgram(
      "github.com/versity/versitygw/cmd/versitygw",
      "v1.8.0",
      "SKIPPED, backups in S3: no server that speaks S3",
    )
  : undefined;

describe.skipIf(versitygw === undefined)("a database that is backed up to S3", () => {
  let folder: string;
  let store: Bun.Subprocess;
  let stack: LocalUp;
  let options: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tollgate-s3-"));
    const [port = 0] = await findFreePorts(1);
    const authority = await makeAuthority(join(folder, "tls"));
    // pgBackRest compares names of hosts only, no addresses.
    const { cert, key } = await authority.issue({ name: "store", hosts: ["localhost"] });
    // The user that PostgreSQL runs as reads it.
    for (const path of [folder, join(folder, "tls"), authority.ca]) chmodSync(path, 0o755);
    mkdirSync(join(folder, "store", "backups"), { recursive: true });
    store = Bun.spawn(
      [
        ...WITH_PARENT,
        versitygw ?? "",
        "--port",
        `127.0.0.1:${port}`,
        "--cert",
        cert,
        "--key",
        key,
      ].concat("posix", join(folder, "store")),
      {
        env: { ROOT_ACCESS_KEY: "access", ROOT_SECRET_KEY: SECRET },
        stdout: "ignore",
        stderr: "ignore",
      },
    );
    await waitForListener(port, START_LIMIT_MS);
    options = ["--repository", "s3://backups/tollgate", "--s3-style", "path"]
      .concat("--s3-endpoint", `localhost:${port}`, "--s3-region", "us-east-1")
      .concat("--s3-ca-file", authority.ca);
    stack = await makeLocalUp({
      TOLLGATE_BACKUP_S3_KEY: "access",
      TOLLGATE_BACKUP_S3_SECRET: SECRET,
    });
    const started = await stack.tollgate("up", "--detach");
    if (started.exitCode !== 0) throw new Error(started.out + started.err);
  }, STEP_LIMIT_MS);
  afterAll(async () => {
    await stack.remove();
    store.kill();
    await store.exited;
    rmSync(folder, { recursive: true, force: true });
  }, STEP_LIMIT_MS);

  test(
    "is there with its WAL, and the secret of the store is on no command line and in no log",
    async () => {
      const seen = new Set<string>();
      const watched = setInterval(() => {
        for (const line of commandLines()) seen.add(line);
      }, 10);
      const made = await stack.tollgate("backup", ...options);
      clearInterval(watched);
      const verified = await stack.tollgate("backup", "verify");

      expect({ exitCode: made.exitCode, err: made.err }).toEqual({ exitCode: 0, err: "" });
      expect(made.out).toContain("✓ full backup");
      expect({ exitCode: verified.exitCode, out: verified.out }).toEqual({
        exitCode: 0,
        out: expect.stringContaining("sound") as string,
      });
      expect([...seen].some((line) => line.includes("pgbackrest"))).toBe(true);
      expect([...seen].filter((line) => line.includes(SECRET))).toEqual([]);
      const logs = filesBelow(stack.paths.logs).map((path) => readFileSync(path, "utf8"));
      expect(logs.some((text) => text.includes("repo1-s3-key-secret=<redacted>"))).toBe(true);
      expect(logs.filter((text) => text.includes(SECRET))).toEqual([]);
    },
    STEP_LIMIT_MS,
  );

  test(
    "is restored from there",
    async () => {
      const kept = await stack.tollgate("generate", "kept");
      const to = new Date().toISOString();
      const forgotten = await stack.tollgate("generate", "forgotten");
      await stack.tollgate("down");

      const restored = await stack.tollgate("restore", "--to", to, "--yes");
      await stack.tollgate("up", "--detach");
      const listed = await stack.tollgate("request", "list", "--json");

      expect([kept.exitCode, forgotten.exitCode]).toEqual([0, 0]);
      expect({ exitCode: restored.exitCode, err: restored.err }).toEqual({ exitCode: 0, err: "" });
      // Those of two times `up`, and the one that was kept.
      expect(JSON.parse(listed.out)).toMatchObject({ requests: [{}, {}, {}] });
    },
    STEP_LIMIT_MS,
  );
});

/** Of every process on this machine. */
function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
