import { expect } from "bun:test";

import { actionsOn } from "../../adapters/postgres/operator-actions.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { commandsOn, jsonOf } from "./command.ts";

// One attempt at a time, so that the others of a user wait.
const test = testsOnStack({
  settings: { models: { "sim-chat": { concurrency_max: 1, timeout_ms: 120_000 } } },
});

/** How a request stands whose user is inactive and so cannot ask. */
const stateOf = async (stack: TestStack, id: string): Promise<string> => {
  const shown = await commandsOn(stack)("request", "show", id, "--json");
  return (jsonOf(shown) as { status: string }).status;
};

/** A user with one request that is executed, for as long as it is let, and three that wait. */
async function busyUser(stack: TestStack, seconds: number) {
  const user = await stack.addUser();
  const api = stack.api(user);
  const { request_id: running } = await api.generate({
    prompt: `[[sim:slow:${seconds * 1_000}]]`,
  });
  await untilTrue(
    "it is executed",
    10_000,
    async () => (await stateOf(stack, running)) === "in_progress",
  );
  const waiting = await Promise.all([1, 2, 3].map((at) => api.generate({ prompt: `${at}` })));
  return { user, running, waiting: waiting.map(({ request_id: id }) => id) };
}

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("deactivating a user cancels what waits, says how many, and lets finish what runs", async (stack) => {
  const { user, running, waiting } = await busyUser(stack, 6);

  const ran = await commandsOn(stack)("user", "deactivate", user.userId, "--actor", "ada@desk");

  expect(ran.out).toContain("is inactive: its keys are refused");
  expect(ran.out).toContain("open requests: 3 cancelled, 1 let go on");
  expect(await Promise.all(waiting.map((id) => stateOf(stack, id)))).toEqual(
    waiting.map(() => "cancelled"),
  );
  await untilTrue(
    "it is finished",
    20_000,
    async () => (await stateOf(stack, running)) === "completed",
  );
  const [last] = (await actionsOn(stack.books.database, user.userId, 10)).slice(-1);
  expect(last).toMatchObject({
    actor: "ada@desk",
    action: "user.deactivate",
    before: { active: true },
    after: { active: false },
  });
  expect(await actionsOn(stack.books.database, waiting[0] ?? "", 10)).toMatchObject([
    {
      actor: "ada@desk",
      action: "request.cancel",
      detail: { because: "the user was deactivated" },
    },
  ]);
  await expectAllBooked(stack);
});

test("with --cancel-running also what runs is broken off", async (stack) => {
  const { user, running } = await busyUser(stack, 60);

  const deactivated = ["user", "deactivate", user.userId, "--cancel-running", "--json"];
  const ran = await commandsOn(stack)(...deactivated);
  const again = await commandsOn(stack)("user", "deactivate", user.userId, "--json");

  expect(jsonOf(ran)).toMatchObject({ active: false, cancelled: 3, stopping: 1, spared: 0 });
  await untilTrue(
    "it is broken off",
    10_000,
    async () => (await stateOf(stack, running)) === "cancelled",
  );
  expect(jsonOf(again)).toMatchObject({ cancelled: 0, stopping: 0 });
  await expectAllBooked(stack);
});
