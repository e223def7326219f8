import { expect } from "bun:test";

import { decodeMessage, encodeDeadRequest } from "../../adapters/amqp/messages.ts";
import { readQueued } from "../../adapters/postgres/find-requests.ts";
import { actionsOn } from "../../adapters/postgres/operator-actions.ts";
import { standings } from "../../adapters/postgres/open-requests.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { openSignatures } from "../../adapters/process/broker.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { openPostOffice } from "../support/stack/post-office.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";
import { commandsOn, jsonOf } from "./command.ts";

const test = testsOnStack();

interface Letter {
  request_id: string | null;
  queue: string;
  kind: string;
  error: { code: string } | null;
}

/** Makes a request that fails for good, with its dead letter; returns the id. */
async function failOne(stack: TestStack, user: TestUser, prompt: string): Promise<string> {
  const api = stack.api(user);
  const { request_id: requestId } = await api.generate({ prompt, metadata: { case: 7 } });
  await api.untilEnded(requestId);
  await eventually("its dead letter", 5_000, async () => {
    const letters = await stack.books.messages("inference_requests.dead");
    return letters.some(({ messageId }) => messageId === requestId) ? true : undefined;
  });
  return requestId;
}

/** Puts a copy of a request into the dead letters. */
async function putLetter({ books, config }: TestStack, request: QueuedRequest): Promise<void> {
  const publisher = createPublisher(books.broker, {
    channels: 1,
    messagesMax: 1,
    bytesMax: 1e6,
    confirmTimeoutMs: 2_000,
    signatures: openSignatures(() => config),
  });
  const error = { code: "WORKER_CRASHED", message: "put there by a test" } as const;
  await publisher.publish(books.queues.requestsDead.name, encodeDeadRequest(request, error));
  await publisher.close();
}

test("a dead letter is listed with its error, and its content only when asked for", async (stack) => {
  const tollgate = commandsOn(stack);
  const id = await failOne(stack, await stack.addUser(), "secret plan [[sim:422]]");

  const listed = jsonOf(await tollgate("dead", "list", "--json")) as Letter[];
  const plain = await tollgate("dead", "show", id);
  const revealed = await tollgate("dead", "show", id, "--reveal");

  expect(listed.find((letter) => letter.request_id === id)).toMatchObject({
    queue: "requests",
    error: { code: "UPSTREAM_REJECTED" },
  });
  expect(plain.out).toContain("failed, not billed, 1 execution failed");
  expect(plain.out).not.toContain("secret plan");
  expect(revealed.out).toContain("secret plan");
  expect(plain.out).not.toContain("temperature must be at most 2");
  expect(revealed.out).toContain("temperature must be at most 2");
});

test("a retry of what has ended makes one new request, billed once, and drops the letter", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  // The simulator refuses the first attempts and replies to the fifth call.
  const id = await failOne(stack, user, "again [[sim:fail-times:4]]");

  const retried = jsonOf(await tollgate("dead", "retry", id, "--json")) as {
    request_id: string;
    is_new: boolean;
  };
  const ended = await stack.api(user).untilEnded(retried.request_id);
  const repeated = await tollgate("dead", "retry", id);
  await stack.books.untilQuiet();

  expect(retried.is_new).toBe(true);
  expect(retried.request_id).not.toBe(id);
  expect(ended).toMatchObject({ status: "completed", metadata: { case: 7 } });
  expect((await stack.api(user).status(id)).status).toBe("failed");
  expect(repeated).toMatchObject({ exitCode: 1, err: expect.stringContaining("dead list") });
  const keys = jsonOf(await tollgate("key", "list", user.userId, "--json")) as {
    usable: boolean;
  }[];
  expect(keys.map(({ usable }) => usable)).toEqual([true, false]);
  expect((await stack.books.audit()).differences).toEqual([]);
});

test("an interrupted retry that is repeated makes no second request", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const id = await failOne(stack, user, "twice [[sim:400]]");
  const letter = (await stack.books.messages("inference_requests.dead"))
    .map((message) => decodeMessage(message))
    .find((one) => one.ok && one.kind === "request" && one.request.head.requestId === id);
  if (letter?.ok !== true || letter.kind !== "request") throw new Error("there is no letter");

  const first = jsonOf(await tollgate("dead", "retry", id, "--json")) as { request_id: string };
  // As if the command had died between the acceptance and the drop.
  await putLetter(stack, letter.request);
  const second = jsonOf(await tollgate("dead", "retry", id, "--json")) as { request_id: string };

  expect(second.request_id).toBe(first.request_id);
});

test("a request that is still open gets its message back, and is billed once", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const api = stack.api(user);
  await stack.stopRole("worker");
  const { request_id: id } = await api.generate({ prompt: "still open" });
  const [request] = await readQueued(stack.books.database, [id]);
  if (request === undefined) throw new Error("the request is not open");
  await putLetter(stack, request);

  const retried = jsonOf(await tollgate("dead", "retry", id, "--json"));
  await stack.startRole("worker");
  const ended = await api.untilEnded(id);
  await stack.books.untilQuiet();

  expect(retried).toEqual({ request_id: id, is_new: false });
  expect(ended.status).toBe("completed");
  expect((await stack.books.audit()).differences).toEqual([]);
  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used).toEqual({ requests: 1, tokens: ended.tokens.total ?? -1 });
});

test("a retry that the quota refuses keeps the letter", async (stack) => {
  const tollgate = commandsOn(stack);
  const user = await stack.addUser();
  const id = await failOne(stack, user, "no quota [[sim:400]]");
  await tollgate("user", "quota", user.userId, "--daily-requests", "0");

  const { exitCode } = await tollgate("dead", "retry", id);

  expect(exitCode).toBe(EXIT.refused);
  expect((await tollgate("dead", "show", id)).exitCode).toBe(0);
});

test("a letter that none of us wrote is shown as such, and neither opened nor retried", async (stack) => {
  const tollgate = commandsOn(stack);
  const api = stack.api(await stack.addUser());
  await stack.stopRole("worker");
  const { request_id: id } = await api.generate({ prompt: "not mine" });
  const [request] = await readQueued(stack.books.database, [id]);
  if (request === undefined) throw new Error("the request is not open");
  const post = openPostOffice(stack);
  const error = { code: "UPSTREAM_TIMEOUT", message: "says who" } as const;
  const letter = encodeDeadRequest(request, error);
  await post.put("inference_requests.dead", { ...letter, isUnchanged: true });
  await post.close();

  const listed = jsonOf(await tollgate("dead", "list", "--json")) as Letter[];
  const plain = await tollgate("dead", "list");
  const retried = await tollgate("dead", "retry", id);
  const revealed = await tollgate("dead", "show", id, "--reveal");
  const dropped = await tollgate("dead", "drop", id);
  await stack.startRole("worker");

  expect(listed.find((one) => one.request_id === id)).toMatchObject({ kind: "unsigned" });
  expect(plain.out).toMatch(new RegExp(`${id} +requests +unsigned`));
  expect(retried).toMatchObject({ exitCode: 1, err: expect.stringContaining("accept_unsigned") });
  expect(revealed.exitCode).toBe(1);
  expect(dropped.exitCode).toBe(0);
  expect((await api.untilEnded(id)).status).toBe("completed");
});

test("a dropped letter is gone, and how its request ended stays", async (stack) => {
  const tollgate = commandsOn(stack);
  const id = await failOne(stack, await stack.addUser(), "drop me [[sim:400]]");

  const dropped = await tollgate("dead", "drop", id);
  const again = await tollgate("dead", "drop", id);
  const unconfirmed = await tollgate("dead", "drop", "--all");
  const all = await tollgate("dead", "drop", "--all", "--yes");

  expect([dropped, again, unconfirmed, all].map(({ exitCode }) => exitCode)).toEqual([0, 1, 2, 0]);
  expect(jsonOf(await tollgate("dead", "list", "--json")) as Letter[]).toEqual([]);
  expect((await standings(stack.books.database, [id]))[0]?.state).toBe("failed");
});

interface Many {
  renewed: { from: string; to: string }[];
  resumed: string[];
  refused: { id: string }[];
  impossible: unknown[];
}

test("many letters of one kind are retried at once, and the others stay", async (stack) => {
  const tollgate = commandsOn(stack);
  const [user, other] = [await stack.addUser(), await stack.addUser()];
  // The simulator refuses the first attempts and replies to the fifth call.
  const again = [1, 2, 3].map((at) => failOne(stack, user, `many ${at} [[sim:fail-times:4]]`));
  const mine = await Promise.all(again);
  const theirs = await failOne(stack, other, "other [[sim:400]]");
  const kind = ["--user", user.userId, "--code", "UPSTREAM_FAILED"];

  const unconfirmed = await tollgate("dead", "retry", ...kind);
  const retried = jsonOf(
    await tollgate("dead", "retry", ...kind, "--actor", "ada@desk", "--yes", "--json"),
  ) as Many;
  const ends = await Promise.all(retried.renewed.map(({ to }) => stack.api(user).untilEnded(to)));
  const nothing = await tollgate("dead", "retry", ...kind, "--yes");
  await stack.books.untilQuiet();

  expect(unconfirmed).toMatchObject({ exitCode: EXIT.usage, out: "" });
  expect(unconfirmed.err).toContain("would retry 3 dead letters of");
  expect(retried.renewed.map(({ from }) => from).toSorted()).toEqual(mine.toSorted());
  expect(ends.map(({ status }) => status)).toEqual(["completed", "completed", "completed"]);
  expect(nothing).toMatchObject({ exitCode: 1, err: expect.stringContaining("nothing matches") });
  const left = jsonOf(await tollgate("dead", "list", "--json")) as Letter[];
  expect(left.map((letter) => letter.request_id)).toContain(theirs);
  expect(left.some(({ request_id: id }) => mine.includes(id ?? ""))).toBe(false);
  expect(await actionsOn(stack.books.database, mine[0] ?? "", 10)).toMatchObject([
    { actor: "ada@desk", action: "dead.retry", detail: { under: expect.any(String) } },
  ]);
  // One key was lent for all three, and taken back.
  const keys = jsonOf(await tollgate("key", "list", user.userId, "--json")) as {
    usable: boolean;
  }[];
  expect(keys.map(({ usable }) => usable)).toEqual([true, false]);
  expect((await stack.books.audit()).differences).toEqual([]);
});

test("of many, those that the quota refuses stay, the open go on under their ids", async (stack) => {
  const tollgate = commandsOn(stack);
  const [poor, patient] = [await stack.addUser(), await stack.addUser()];
  const refused = await Promise.all(
    [1, 2].map((at) => failOne(stack, poor, `no ${at} [[sim:400]]`)),
  );
  jsonOf(await tollgate("user", "quota", poor.userId, "--daily-requests", "0", "--json"));
  const api = stack.api(patient);
  await stack.stopRole("worker");
  const { request_id: open } = await api.generate({ prompt: "open" });
  const [request] = await readQueued(stack.books.database, [open]);
  if (request === undefined) throw new Error("the request is not open");
  await putLetter(stack, request);

  const ran = await tollgate("dead", "retry", "--older-than", "0s", "--yes", "--json");
  const many = JSON.parse(ran.out) as Many;
  await stack.startRole("worker");

  expect(ran.exitCode).toBe(EXIT.failed);
  expect(many.resumed).toEqual([open]);
  expect(many.refused.map(({ id }) => id)).toEqual(expect.arrayContaining(refused));
  expect((await api.untilEnded(open)).status).toBe("completed");
  expect((await tollgate("dead", "show", refused[0] ?? "")).exitCode).toBe(0);
});

test("a retry must say which letters, in one way", async (stack) => {
  const tollgate = commandsOn(stack);
  const id = crypto.randomUUID();

  const ran = [
    await tollgate("dead", "retry"),
    await tollgate("dead", "retry", id, "--all"),
    await tollgate("dead", "retry", id, "--model", "sim-json"),
    await tollgate("dead", "retry", "--queue", "none"),
  ];

  expect(ran.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 2]);
  expect(ran[2]?.err).toContain("--to-model");
});
