import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { writeJsonFile } from "../adapters/state/json-file.ts";
import { statePaths } from "../adapters/state/paths.ts";
import { EXIT } from "../adapters/terminal/failure.ts";
import { alreadyUp } from "./already-up.ts";
import { identifyProcess } from "./processes/process-identity.ts";
import type { RunningComponent, Stack } from "./supervision/supervised-stack.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-already-up-"));
const paths = statePaths(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const us = identifyProcess(process.pid) ?? { pid: 2, started: "never" };
const NOW = "2026-11-27T12:00:00Z";

const runs: RunningComponent = {
  name: "gateway",
  state: "running",
  identity: us,
  ports: [8080],
  restarts: 0,
  started_at: NOW,
};
const ends: RunningComponent = {
  name: "gateway",
  state: "restarting",
  ports: [8080],
  restarts: 3,
  started_at: NOW,
};

/** As a supervisor notes it. */
const note = (component: RunningComponent): void => {
  const stack: Stack = { supervisor: us, started_at: NOW, components: [component] };
  writeJsonFile(paths.stack, stack);
};

test("a stack of which everything runs is up, and how to see and stop it", async () => {
  note(runs);

  const failure = await alreadyUp(paths, "detached", 0);

  expect(failure.exitCode).toBe(EXIT.alreadyRunning);
  expect(failure.message).toStartWith("already up, detached: see it with ./tollgate ps");
});

test("what had ended is given time to run again, and that is told", async () => {
  note(ends);
  const asked = alreadyUp(paths, "detached", 5_000);
  note(runs);

  expect((await asked).message).toContain("; gateway had ended and runs again: ");
});

test("what cannot be started is named with why and what to do, and it is no success", async () => {
  note(ends);
  mkdirSync(paths.logs, { recursive: true });
  writeFileSync(join(paths.logs, "gateway.log"), "fatal: the port is taken\n");

  const failure = await alreadyUp(paths, "detached", 0);

  expect(failure.exitCode).toBe(EXIT.failed);
  expect(failure.message).toContain(
    "gateway does not run, started again 3 times: fatal: the port is",
  );
  expect(failure.message).toContain("./tollgate down, then ./tollgate up");
});
