import { describe, expect, test } from "bun:test";

import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway } from "../../test/support/gateway-world.ts";

describe("what the keeper reads of a gateway", () => {
  test("never runs ahead of a request that is not confirmed", async () => {
    let confirm = (): void => {};
    const { call, advance, notes, rows } = createFakeGateway({
      publish: () => new Promise((resolve) => (confirm = resolve)),
    });
    await call("POST", "/generate", { body: { prompt: "x" } });
    const id = rows[0]?.head.requestId ?? "";

    await advance(1_000);
    const whileOpen = notes.at(-1);
    confirm();
    await untilIdle();
    await advance(1_000);
    const afterwards = notes.at(-1);

    expect(whileOpen).toMatchObject({ confirmedThrough: id, unconfirmed: 1 });
    expect(afterwards?.unconfirmed).toBe(0);
    expect((afterwards?.confirmedThrough ?? "") > id).toBe(true);
  });
});
