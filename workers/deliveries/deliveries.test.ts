import { expect, test } from "bun:test";

import { untilIdle } from "../../test/support/clock.ts";
import { answered, MODEL, startFakeWorld } from "../../test/support/worker-world.ts";

test("a channel that goes takes with it what came on it, and nothing of another", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 2 } });
  const [first, second] = [new AbortController(), new AbortController()];
  await world.deliver("ended", { lost: first.signal });
  await world.calls[0]?.answer(answered);
  await world.deliver("running", { lost: first.signal });
  await world.deliver("other running", { lost: second.signal });
  await world.deliver("waiting", { lost: first.signal });
  await world.deliver("other waiting", { lost: second.signal });

  first.abort();
  await untilIdle();

  expect(world.calls.map(({ requestId, signal }) => [requestId, signal.aborted])).toEqual([
    ["ended", false],
    ["running", true],
    ["other running", false],
    ["other waiting", false],
  ]);
  expect(world.worker.snapshot()).toMatchObject({ owned: 2, waiting: 0 });
});
