import { expect, test } from "bun:test";

import { untilIdle } from "../../test/support/clock.ts";
import { answered, MODEL, startFakeWorld } from "../../test/support/worker-world.ts";

test("a channel that goes takes with it what came on it, and nothing of another", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 2 } });
  const [first, second] = [world.newChannel(), world.newChannel()];
  await world.deliver("ended", { channel: first });
  await world.calls[0]?.answer(answered);
  await world.deliver("running", { channel: first });
  await world.deliver("other running", { channel: second });
  await world.deliver("waiting", { channel: first });
  await world.deliver("other waiting", { channel: second });

  first.lose();
  await untilIdle();

  expect(world.calls.map(({ requestId, signal }) => [requestId, signal.aborted])).toEqual([
    ["ended", false],
    ["running", true],
    ["other running", false],
    ["other waiting", false],
  ]);
  expect(world.worker.snapshot()).toMatchObject({ owned: 2, waiting: 0 });
});
