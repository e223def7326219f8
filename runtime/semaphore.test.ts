import { expect, test } from "bun:test";

import { createSemaphore } from "./semaphore.ts";

/** A semaphore for two tasks and three that wait; a task ends when told. */
function createWorld() {
  const begun: number[] = [];
  const ends = new Map<number, PromiseWithResolvers<void>>();
  const run = createSemaphore({ max: 2, waitingMax: 3, onFull: () => new Error("full") });
  const call = (task: number): Promise<string> => {
    const end = Promise.withResolvers<void>();
    ends.set(task, end);
    return run(async () => {
      begun.push(task);
      await end.promise;
    }).then(
      () => "done",
      (error: unknown) => String(error),
    );
  };
  const end = (task: number): void => ends.get(task)?.resolve();
  const fail = (task: number): void => ends.get(task)?.reject(new Error("failed"));
  return { begun, call, end, fail };
}

test("at most so many tasks run at once, and the others in the order they came", async () => {
  const { begun, call, end } = createWorld();

  const calls = [1, 2, 3, 4].map(call);
  const atFirst = [...begun];
  end(2);
  await calls[1];
  calls.push(call(5));
  const afterOne = [...begun];
  for (const task of [1, 3, 4, 5]) end(task);
  await Promise.all(calls);

  expect([atFirst, afterOne, begun]).toEqual([
    [1, 2],
    [1, 2, 3],
    [1, 2, 3, 4, 5],
  ]);
});

test("what finds too many waiting is refused at once, and there is room when one has ended", async () => {
  const { call, end } = createWorld();

  const calls = [1, 2, 3, 4, 5].map(call);
  const refused = await call(6);
  end(1);
  await calls[0];
  const taken = call(7);
  for (const task of [2, 3, 4, 5, 7]) end(task);

  expect(refused).toBe("Error: full");
  expect(await Promise.all([...calls, taken])).toEqual([
    "done",
    "done",
    "done",
    "done",
    "done",
    "done",
  ]);
});

test("a task that fails leaves its place like any other", async () => {
  const { call, end, fail } = createWorld();

  const calls = [1, 2, 3].map(call);
  fail(1);
  fail(2);
  end(3);

  expect(await Promise.all(calls)).toEqual(["Error: failed", "Error: failed", "done"]);
});
