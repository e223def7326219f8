import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { readLocalState } from "../../local/servers/local.ts";
import { readStack } from "../../local/supervision/supervised-stack.ts";
import { isRunning, type ProcessIdentity } from "../../local/processes/process-identity.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { type LocalUp, makeLocalUp } from "./local-up.ts";

const STEP_LIMIT_MS = 240_000;

describe.skipIf(!hasServerPrograms())("a machine that stops dead", () => {
  let stack: LocalUp;
  let repository: string;

  beforeAll(async () => {
    repository = mkdtempSync(join(tmpdir(), "tollgate-repository-"));
    stack = await makeLocalUp();
    await stack.tollgate("up", "--detach");
    await stack.tollgate("backup", "--repository", repository);
  }, STEP_LIMIT_MS);
  afterAll(async () => {
    await stack.remove();
    rmSync(repository, { recursive: true, force: true });
  }, STEP_LIMIT_MS);

  const kill = async ({ pid, started }: ProcessIdentity): Promise<void> => {
    process.kill(pid, "SIGKILL");
    await untilTrue("it has ended", 10_000, () => !isRunning({ pid, started }));
  };
  const prompts = async (): Promise<number> => {
    const { requests } = JSON.parse((await stack.tollgate("request", "list", "--json")).out) as {
      requests: unknown[];
    };
    return requests.length;
  };

  test(
    "loses nothing of what its disk has, although the last WAL was never archived",
    async () => {
      const last = await stack.tollgate("generate", "the last one");
      const before = await prompts();
      const supervisor = readStack(stack.paths)?.supervisor;
      if (supervisor === undefined) throw new Error("nobody supervises the stack");
      await kill(supervisor);
      for (const { identity } of readLocalState(stack.paths, "postgres")?.processes ?? [])
        await kill(identity);
      await stack.tollgate("down");

      const restored = await stack.tollgate("restore", "--to", "latest", "--yes");
      const up = await stack.tollgate("up", "--detach");

      expect(last.exitCode).toBe(0);
      expect({ exitCode: restored.exitCode, err: restored.err }).toEqual({ exitCode: 0, err: "" });
      expect(up.exitCode).toBe(0);
      // And the first request of `up`.
      expect(await prompts()).toBe(before + 1);
    },
    STEP_LIMIT_MS,
  );

  test(
    "in the middle of a restore does not start again before the restore is done",
    async () => {
      await stack.tollgate("down");
      const restoring = stack.spawn("restore", "--to", "latest", "--yes");
      const note = join(stack.paths.servers, "postgres", "backup", "restore-under-way.json");
      await untilTrue("the data are put aside", 60_000, () => existsSync(note));
      restoring.kill("SIGKILL");
      await restoring.exited;
      const refused = await stack.tollgate("up", "--detach");

      const again = await stack.tollgate("restore", "--to", "latest", "--yes");

      expect(refused.exitCode).toBe(EXIT.failed);
      expect(refused.err).toContain("run ./tollgate restore again");
      expect({ exitCode: again.exitCode, err: again.err }).toEqual({ exitCode: 0, err: "" });
      expect((await stack.tollgate("up", "--detach")).exitCode).toBe(0);
    },
    STEP_LIMIT_MS,
  );
});
