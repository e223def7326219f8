import { describe, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { answered, startFakeWorld } from "../../test/support/worker-world.ts";

describe("a result that is too large for the queue", () => {
  const refuseLarge = ({ result }: { result: unknown }): void => {
    if (result !== null) throw new Fault("MESSAGE_TOO_LARGE", "9 bytes; the queue takes fewer");
  };

  test("fails its request once, as executed, without a bill, and is not published again", async () => {
    const world = await startFakeWorld();
    const { publishResult } = world.ports;
    let refused = 0;
    world.ports.publishResult = async (ending) => {
      if (ending.result !== null) refused += 1;
      refuseLarge(ending);
      await publishResult(ending);
    };
    const delivery = await world.deliver("a");

    await world.calls[0]?.answer(answered);
    await world.clock.advance(60_000);

    expect(refused).toBe(1);
    const error = {
      code: "MESSAGE_TOO_LARGE",
      message: "the result has 9 bytes; the queue takes fewer",
    };
    expect(world.results).toMatchObject([{ state: "failed", attempts: 1, usage: null, error }]);
    expect(world.dead).toMatchObject([{ reason: error }]);
    expect(delivery.conclusions).toEqual(["ack"]);
  });

  test("leaves no dead letter where that is too large as well", async () => {
    const world = await startFakeWorld();
    const { publishResult } = world.ports;
    world.ports.publishResult = async (ending) => {
      refuseLarge(ending);
      await publishResult(ending);
    };
    world.ports.publishDead = async () => refuseLarge({ result: "a copy of the request" });
    const delivery = await world.deliver("a");

    await world.calls[0]?.answer(answered);
    await world.clock.advance(60_000);

    expect(world.results.map(({ state }) => state)).toEqual(["failed"]);
    expect(world.logs).toContain("a dead letter is not kept");
    expect(delivery.conclusions).toEqual(["ack"]);
  });
});
