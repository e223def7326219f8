import { expect } from "bun:test";

import { SECRET_VARIABLES } from "../../adapters/state/secrets.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { commandsOn, jsonOf } from "./command.ts";

const test = testsOnStack({
  gateways: 2,
  settings: { tiers: { urgent: { priority_max: "high" } } },
});

/** An announced change takes effect within this time. */
const ANNOUNCED_MS = 1_000;

interface Made {
  user_id: string;
  key_id: string;
  api_key: string;
}

interface Listed {
  email: string;
  tiers: { daily: string; monthly: string };
}

let count = 0;
/** A user that the command made, of a name and an email of its own. */
async function addUser(stack: TestStack): Promise<Made & { email: string }> {
  count += 1;
  const email = `user-${count}@example.org`;
  const made = await commandsOn(stack)("user", "add", `User ${count}`, "--email", email, "--json");
  return { ...(jsonOf(made) as Made), email };
}

const callWith = (stack: TestStack, apiKey: string, gateway = 0) =>
  stack.api({ userId: "", apiKey }, gateway).post({ prompt: "hello", max_tokens: 16 });

/** Both gateways have cached the key, and then both refuse it within a second of the command's end. */
async function expectRefusedEverywhere(
  stack: TestStack,
  apiKey: string,
  code: string,
): Promise<void> {
  for (const gateway of [0, 1])
    await eventually(`${code} at gateway ${gateway}`, ANNOUNCED_MS, async () => {
      const { status, body } = await callWith(stack, apiKey, gateway);
      return status === 401 && body.code === code ? true : undefined;
    });
}

async function expectAcceptedEverywhere(stack: TestStack, apiKey: string): Promise<void> {
  for (const gateway of [0, 1]) expect((await callWith(stack, apiKey, gateway)).status).toBe(202);
}

test("the first key of a new user works, and is shown only once", async (stack) => {
  const tollgate = commandsOn(stack);
  const { api_key: apiKey, email } = await addUser(stack);

  await expectAcceptedEverywhere(stack, apiKey);
  const listed = await tollgate("key", "list", email);
  expect(listed.out).toContain("usable");
  expect(listed.out).not.toContain(apiKey);
});

test("a second user with the same email is refused with what to do", async (stack) => {
  const { email } = await addUser(stack);

  const { exitCode, err } = await commandsOn(stack)(
    "user",
    "add",
    "Other",
    "--email",
    email.toUpperCase(),
  );

  expect(exitCode).toBe(1);
  expect(err).toContain("./tollgate key add");
});

test("the email may be an argument, the only one too, and what is none is refused", async (stack) => {
  const tollgate = commandsOn(stack);
  const add = (...args: string[]) => tollgate("user", "add", ...args, "--no-key", "--json");

  const made = [
    await add("Ada", "ada.argument@example.org"),
    await add("only@example.org"),
    await add("Ada", "same@example.org", "--email", "same@example.org"),
  ];
  const refused = [
    await add("Nobody"),
    await add("Ada", "x@y.z,evil"),
    await add("x@y.z evil@y.z"),
    await add("Ada", "--email", "a\nb@example.org"),
    await add("Ada", "one@example.org", "--email", "two@example.org"),
  ];

  expect(made.map((ran) => jsonOf(ran))).toMatchObject([
    { name: "Ada", email: "ada.argument@example.org" },
    { name: "only@example.org", email: "only@example.org" },
    { name: "Ada", email: "same@example.org" },
  ]);
  for (const { exitCode, err } of refused)
    expect({ exitCode, err }).toEqual({ exitCode: 2, err: expect.stringContaining("email") });
});

test("users are listed with their tiers", async (stack) => {
  const tollgate = commandsOn(stack);
  await tollgate("user", "add", "Free", "listed@example.org", "--tier", "free", "--no-key");

  const { out } = await tollgate("user", "list");
  const { users } = jsonOf(await tollgate("user", "list", "--json")) as { users: Listed[] };

  expect(out).toMatch(/^USER +NAME +EMAIL +TIER +ACTIVE/);
  expect(out).toMatch(/ listed@example\.org +free +yes /);
  expect(users.find(({ email }) => email === "listed@example.org")?.tiers).toEqual({
    daily: "free",
    monthly: "free",
  });
});

test("a revoked key is refused by every gateway within a second", async (stack) => {
  const { key_id: keyId, api_key: apiKey } = await addUser(stack);
  await expectAcceptedEverywhere(stack, apiKey);

  const { exitCode } = await commandsOn(stack)("key", "revoke", keyId);

  expect(exitCode).toBe(0);
  await expectRefusedEverywhere(stack, apiKey, "KEY_UNKNOWN");
});

test("a leaked key is revoked by giving the key itself", async (stack) => {
  const { api_key: apiKey } = await addUser(stack);

  const { exitCode, out } = await commandsOn(stack)("key", "revoke", apiKey);

  expect(exitCode).toBe(0);
  expect(out).not.toContain(apiKey);
  await expectRefusedEverywhere(stack, apiKey, "KEY_UNKNOWN");
});

test("a rotated key works on during the overlap, and without one ends at once", async (stack) => {
  const tollgate = commandsOn(stack);
  const old = await addUser(stack);
  await expectAcceptedEverywhere(stack, old.api_key);

  const second = jsonOf(await tollgate("key", "rotate", old.key_id, "--json")) as Made;
  await expectAcceptedEverywhere(stack, old.api_key);
  await expectAcceptedEverywhere(stack, second.api_key);
  const third = jsonOf(
    await tollgate("key", "rotate", second.key_id, "--overlap", "0s", "--json"),
  ) as Made;

  await expectRefusedEverywhere(stack, second.api_key, "KEY_UNKNOWN");
  await expectAcceptedEverywhere(stack, third.api_key);
});

test("a key that is rotated in its overlap is followed by one of the life it was made for", async (stack) => {
  const tollgate = commandsOn(stack);
  const { key_id: lasting, email } = await addUser(stack);
  const expiring = jsonOf(
    await tollgate("key", "add", email, "--expires", "90d", "--json"),
  ) as Made & { expires_at: string };

  const expiries: (string | null)[] = [];
  for (const keyId of [lasting, lasting, expiring.key_id, expiring.key_id]) {
    const rotated = jsonOf(await tollgate("key", "rotate", keyId, "--overlap", "1h", "--json"));
    expiries.push((rotated as { expires_at: string | null }).expires_at);
  }

  expect(expiries.slice(0, 2)).toEqual([null, null]);
  for (const expiresAt of expiries.slice(2)) {
    const laterMs = Date.parse(expiresAt ?? "") - Date.parse(expiring.expires_at);
    expect(laterMs).toBeGreaterThanOrEqual(0);
    expect(laterMs).toBeLessThan(60_000);
  }
});

test("a key without a life is refused before anything is made", async (stack) => {
  const tollgate = commandsOn(stack);
  const { email, key_id: keyId } = await addUser(stack);

  const added = await tollgate("key", "add", email, "--expires", "0s");
  const rotated = await tollgate("key", "rotate", keyId, "--expires", "0s");

  for (const { exitCode, err } of [added, rotated])
    expect({ exitCode, err }).toEqual({
      exitCode: 2,
      err: expect.stringContaining("would never work"),
    });
  expect(jsonOf(await tollgate("key", "list", email, "--json"))).toHaveLength(1);
});

test("a deactivated user is refused everywhere until activated", async (stack) => {
  const tollgate = commandsOn(stack);
  const { api_key: apiKey, email } = await addUser(stack);
  await expectAcceptedEverywhere(stack, apiKey);

  await tollgate("user", "deactivate", email);
  await expectRefusedEverywhere(stack, apiKey, "USER_INACTIVE");
  await tollgate("user", "activate", email);

  await eventually("acceptance", ANNOUNCED_MS, async () =>
    (await callWith(stack, apiKey, 1)).status === 202 ? true : undefined,
  );
});

test("a changed tier lets a user ask for a more urgent class, at once and everywhere", async (stack) => {
  const tollgate = commandsOn(stack);
  const { user_id: userId, api_key: apiKey, email } = await addUser(stack);
  const urgent = async (gateway: number) =>
    stack.api({ userId, apiKey }, gateway).post({ prompt: "hello", priority: "high" });
  const refused = [await urgent(0), await urgent(1)];

  await tollgate("user", "quota", email, "--tier", "urgent");

  expect(refused.map(({ status, body }) => [status, body.errors?.[0]?.field])).toEqual([
    [422, "/priority"],
    [422, "/priority"],
  ]);
  for (const gateway of [0, 1])
    await eventually(`acceptance at gateway ${gateway}`, ANNOUNCED_MS, async () =>
      (await urgent(gateway)).status === 202 ? true : undefined,
    );
});

test("a changed limit counts at once and loses no usage that settles meanwhile", async (stack) => {
  const tollgate = commandsOn(stack);
  const { user_id: userId, api_key: apiKey, email } = await addUser(stack);
  const api = stack.api({ userId, apiKey });
  // Still open while the limits change: nobody executes it.
  await stack.workers[0]?.terminate();
  const open = await api.generate({ prompt: "slow", max_tokens: 50 });

  const lowered = await tollgate("user", "quota", email, "--daily-requests", "1", "--json");
  const refused = await api.post({ prompt: "one more" });
  await stack.workers[0]?.start();
  const ended = await api.untilEnded(open.request_id);
  const raised = await tollgate("user", "quota", email, "--daily-requests", "none", "--json");

  type Report = { windows: { daily: Record<"requests" | "tokens", Record<string, unknown>> } };
  const before = (jsonOf(lowered) as Report).windows.daily;
  expect(before.requests).toMatchObject({ limit: 1, limit_from: "user", used: 1, held: 1 });
  expect(refused).toMatchObject({ status: 429, body: { code: "QUOTA_EXCEEDED" } });
  const after = (jsonOf(raised) as Report).windows.daily;
  expect(after.requests).toMatchObject({ limit: null, remaining: null });
  expect(after.tokens).toMatchObject({ used: ended.tokens.total ?? -1, held: 0 });
  expect((await api.post({ prompt: "one more" })).status).toBe(202);
});

test("a user that several share a name with must be named by email", async (stack) => {
  const tollgate = commandsOn(stack);
  for (const email of ["twin-1@example.org", "twin-2@example.org"])
    await tollgate("user", "add", "Twin", "--email", email, "--no-key");

  const { exitCode, err } = await tollgate("user", "quota", "twin");

  expect(exitCode).toBe(2);
  expect(err).toContain("twin-1@example.org, twin-2@example.org");
});

test("a name that a terminal would obey is shown escaped, and is whole in JSON", async (stack) => {
  const tollgate = commandsOn(stack);
  const name = "Eve\n0198  Root\u001B[8m \u202Egro";

  const added = await tollgate("user", "add", name, "--email", "eve@example.org", "--no-key");
  const listed = await tollgate("user", "list");
  const shown = await tollgate("user", "quota", "eve@example.org");
  const json = await tollgate("user", "list", "--json");
  const missing = await tollgate("user", "quota", name.toUpperCase());
  const unknown = await tollgate("user", "nonesuch\u001B[8m");

  const printed = [added, listed, shown, json, missing, unknown].flatMap(({ out, err }) => [
    out,
    err,
  ]);
  for (const obeyed of ["\u001B", "\u202E"])
    expect(printed.filter((text) => text.includes(obeyed))).toEqual([]);
  expect(listed.out).toContain("Eve\\u000a0198  Root\\u001b[8m \\u202egro");
  const { users } = jsonOf(json) as { users: { name: string }[] };
  expect(users.some((user) => user.name === name)).toBe(true);
});

test("without the pepper a command about keys says so, and others work", async (stack) => {
  const tollgate = commandsOn(stack, { [SECRET_VARIABLES.keyPepper]: "" });

  const withKey = await tollgate("user", "add", "Ada", "--email", "ada@pepper.example");
  const without = await tollgate("user", "add", "Ada", "--email", "ada@pepper.example", "--no-key");
  const audited = await tollgate("audit");

  expect(withKey).toMatchObject({
    exitCode: EXIT.usage,
    err: expect.stringContaining(
      `${SECRET_VARIABLES.keyPepper} must be set: the values that the gateways`,
    ),
  });
  expect([without, audited].map(({ exitCode }) => exitCode)).toEqual([0, 0]);
});
