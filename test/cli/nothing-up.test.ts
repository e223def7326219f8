import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { EXIT } from "../../adapters/terminal/failure.ts";
import { copyCheckout } from "../support/copy-checkout.ts";
import { commandsWith } from "./command.ts";

const ID = "01980f6e-8a3e-7000-8000-3f1d5b0c9a11";

let folder: string;
beforeAll(() => {
  folder = copyCheckout();
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  "ps",
  "logs",
  "migrate",
  "generate hello",
  "status",
  "model list",
  "model pause sim-chat --reason moving",
  "model resume sim-chat",
  "request list",
  `request show ${ID}`,
  `request wait ${ID}`,
  `request cancel ${ID} --yes`,
  "audit",
  "audit --repair --queues",
  "user list",
  "user add ada@example.org",
  "user quota ada",
  "key list ada",
  `key revoke ${ID}`,
  "backup",
  "backup list",
  "backup verify",
  "restore --to latest --yes",
  "restore follow --yes",
  "dead list",
  `dead retry ${ID}`,
])("where nothing is up, %s says so with one exit code and what to do", async (command) => {
  const { exitCode, out, err } = await commandsWith({}, folder)(...command.split(" "));

  expect({ exitCode, out }).toEqual({ exitCode: EXIT.notRunning, out: "" });
  expect(err).toMatch(/^tollgate: .*\.\/tollgate up.*\n$/);
});

test("an exit code has one meaning", () => {
  const codes = Object.values(EXIT);

  expect(new Set(codes).size).toBe(codes.length);
});
