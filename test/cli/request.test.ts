import { expect } from "bun:test";

import { actionsOn } from "../../adapters/postgres/operator-actions.ts";
import { parkRequests } from "../../adapters/postgres/parked.ts";
import { readQueued } from "../../adapters/postgres/find-requests.ts";
import { parkedStanding } from "../../adapters/postgres/search-requests.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { commandsOn, jsonOf, type Ran } from "./command.ts";

// A call goes on until it is told to stop, however long the commands take before.
const test = testsOnStack({ settings: { models: { "sim-chat": { timeout_ms: 60_000 } } } });

interface Listed {
  requests: { request_id: string; email: string | null; status: string; model: string }[];
  next: string | null;
}

const UNKNOWN = "01980f6e-8a3e-7000-8000-3f1d5b0c9a11";

/** While no worker runs, what is posted waits. */
async function withoutWorker(stack: TestStack, act: () => Promise<void>): Promise<void> {
  await stack.stopRole("worker");
  try {
    await act();
  } finally {
    await stack.startRole("worker");
  }
}

async function post(stack: TestStack, user: TestUser, ...prompts: string[]): Promise<string[]> {
  const accepted = await Promise.all(prompts.map((prompt) => stack.api(user).generate({ prompt })));
  return accepted.map(({ request_id: requestId }) => requestId);
}

const stateOf = async (stack: TestStack, user: TestUser, id: string): Promise<string> =>
  (await stack.api(user).status(id)).status;

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("requests of all users are listed, filtered and paged", async (stack) => {
  const tollgate = commandsOn(stack);
  const [user, other] = [await stack.addUser(), await stack.addUser()];
  const ids = await post(stack, user, "one", "two", "three");
  await post(stack, other, "other");
  await Promise.all(ids.map((id) => stack.api(user).untilEnded(id)));

  const all = jsonOf(await tollgate("request", "list", "--json")) as Listed;
  const mine = ["request", "list", "--user", user.userId, "--status", "completed", "--json"];
  const first = jsonOf(await tollgate(...mine, "--limit", "2")) as Listed;
  const rest = jsonOf(await tollgate(...mine, "--after", first.next ?? "")) as Listed;
  const none = await tollgate("request", "list", "--user", user.userId, "--older-than", "1h");

  expect(new Set(all.requests.map(({ email }) => email)).size).toBeGreaterThanOrEqual(2);
  expect([...first.requests, ...rest.requests].map((one) => one.request_id)).toEqual(
    ids.toSorted().toReversed(),
  );
  expect(none).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining("there is no request of"),
  });
});

test("the content of a request is opened only when asked for, and that is noted", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const [id = ""] = await post(stack, user, "secret plan");
  await stack.api(user).untilEnded(id);

  const plain = await tollgate("request", "show", id);
  const before = await actionsOn(stack.books.database, id, 10);
  const revealed = jsonOf(
    await tollgate("request", "show", id, "--reveal", "--actor", "ada@desk", "--json"),
  ) as { content: { prompt: unknown; result: unknown } };
  const again = await tollgate("request", "show", id);

  expect(plain.out).toMatch(/^status +completed$/m);
  expect(plain.out).toMatch(/^billed +\d+ tokens$/m);
  expect(plain.out).not.toContain("secret");
  expect(before).toEqual([]);
  expect(JSON.stringify(revealed.content.prompt)).toContain("secret plan");
  expect(revealed.content.result).not.toBeNull();
  expect(again.out).toContain("request.reveal by ada@desk");
  expect(await tollgate("request", "show", UNKNOWN)).toMatchObject({ exitCode: EXIT.failed });
});

test("waiting for a request tells how it ended, or that it goes on", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  let id = "";
  let late: Ran | undefined;
  await withoutWorker(stack, async () => {
    [id = ""] = await post(stack, user, "waits");
    late = await tollgate("request", "wait", id, "--timeout", "0");
  });
  const [failing = ""] = await post(stack, user, "[[sim:400]]");

  const ended = await tollgate("request", "wait", id, "--json");
  const failed = await tollgate("request", "wait", failing);

  expect([late, ended, failed].map((ran) => ran?.exitCode)).toEqual([
    EXIT.stillOpen,
    0,
    EXIT.failed,
  ]);
  expect(JSON.parse(ended.out)).toMatchObject({ request_id: id, status: "completed" });
  expect(failed.out).toContain("failed, not billed, 1 execution failed");
});

test("what waits of one user is cancelled, unbilled and noted; that of others stays", async (stack) => {
  const tollgate = commandsOn(stack);
  const [user, other] = [await stack.addUser(), await stack.addUser()];
  await withoutWorker(stack, async () => {
    const mine = await post(stack, user, "one", "two", "three");
    const [theirs = ""] = await post(stack, other, "other");
    // As if one of them waited for its fair turn.
    await parkRequests(
      stack.books.database,
      await readQueued(stack.books.database, mine.slice(0, 1)),
    );

    const because = ["--reason", "flood", "--actor", "ada@desk"];
    const cancelled = jsonOf(
      await tollgate("request", "cancel", "--user", user.userId, ...because, "--yes", "--json"),
    );

    expect(cancelled).toEqual({ cancelled: 3, stopping: 0, spared: 0, ended: 0 });
    const states = await Promise.all(mine.map((id) => stateOf(stack, user, id)));
    expect(states).toEqual(["cancelled", "cancelled", "cancelled"]);
    expect(await stateOf(stack, other, theirs)).toBe("queued");
    expect(await parkedStanding(stack.books.database, mine[0] ?? "")).toBeUndefined();
    expect(await actionsOn(stack.books.database, mine[1] ?? "", 10)).toMatchObject([
      {
        actor: "ada@desk",
        action: "request.cancel",
        reason: "flood",
        detail: { user_id: user.userId, filter: { user: user.userId } },
      },
    ]);
  });
  await expectAllBooked(stack);
  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used).toEqual({ requests: 0, tokens: 0 });
});

test("what a worker executes is broken off; asked for what waits only, it is let go on", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const [id = ""] = await post(stack, user, "[[sim:slow:20000]]");
  await untilTrue(
    "it is executed",
    5_000,
    async () => (await stateOf(stack, user, id)) === "in_progress",
  );

  const ofUser = ["request", "cancel", "--user", user.userId];
  const spared = await tollgate(...ofUser, "--status", "queued", "--yes");
  const shown = await tollgate("request", "show", id);
  const stopped = await tollgate("request", "cancel", id, "--yes");
  const ended = await stack.api(user).untilEnded(id);
  const again = await tollgate("request", "cancel", id, "--yes");

  expect(spared).toMatchObject({
    exitCode: EXIT.failed,
    out: expect.stringContaining("1 let go on"),
  });
  expect(shown.out).toMatch(/^status +in progress$/m);
  expect(stopped).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining("1 running told to stop"),
  });
  expect(ended.status).toBe("cancelled");
  expect(again).toMatchObject({ exitCode: EXIT.failed, err: expect.stringContaining("has ended") });
  await expectAllBooked(stack);
});

test("a cancel that is not meant, or matches nothing, says so and does nothing", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  await withoutWorker(stack, async () => {
    const [id = ""] = await post(stack, user, "stays");
    const ran = [
      await tollgate("request", "cancel"),
      await tollgate("request", "cancel", id),
      await tollgate("request", "cancel", "--user", user.userId),
      await tollgate("request", "cancel", id, "--model", "sim-chat", "--yes"),
      await tollgate("request", "cancel", id, UNKNOWN, "--yes"),
      await tollgate("request", "cancel", "--user", user.userId, "--older-than", "1h", "--yes"),
      await tollgate("request", "cancel", "--model", "no-such", "--yes"),
      await tollgate("request", "cancel", "--user", "nobody@example.org", "--yes"),
      await tollgate("request", "cancel", "--status", "completed", "--yes"),
      await tollgate("request", "cancel", "--older-than", "soon", "--yes"),
      await tollgate("request", "cancel", "not-an-id", "--yes"),
    ];

    expect(ran.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 2, 1, 1, 1, 1, 2, 2, 2]);
    expect(ran[2]?.err).toContain("cancel 1 open request of");
    expect(ran[5]?.err).toContain("nothing matches");
    for (const { err } of ran) expect(err).toMatch(/^tollgate: [^\n]+\n$/);
    expect(await stateOf(stack, user, id)).toBe("queued");
    expect(await actionsOn(stack.books.database, id, 10)).toEqual([]);
  });
  await expectAllBooked(stack);
});

test("thousands are cancelled with each settled once", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  await withoutWorker(stack, async () => {
    for (let batch = 0; batch < 12; batch += 1)
      await post(stack, user, ...Array.from({ length: 100 }, (_, at) => `${batch} ${at}`));

    const ran = await tollgate("request", "cancel", "--model", "sim-chat", "--yes", "--json");

    expect(jsonOf(ran)).toMatchObject({ cancelled: 1_200, ended: 0 });
  });
  await expectAllBooked(stack);
});
