import { expect, test } from "bun:test";

import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway, problemOf, snapshotWith } from "../../test/support/gateway-world.ts";

const init = { body: { prompt: "x".repeat(900) } };

test.each([
  ["number", { accepts_max: 2 }],
  ["bytes", { accepts_bytes_max: 2_500 }],
])(
  "accepts beyond the bound on their %s are refused before a hold is taken, until there is room again",
  async (_name, bound) => {
    const admitted: (() => void)[] = [];
    const { call } = createFakeGateway(
      {
        admit: () =>
          new Promise((resolve) =>
            admitted.push(() => resolve({ admitted: true, snapshot: snapshotWith(0, null) })),
          ),
      },
      bound,
    );

    const underWay = [call("POST", "/generate", init), call("POST", "/generate", init)];
    await untilIdle();
    const refused = await Promise.race([call("POST", "/generate", init), Bun.sleep(500)]);
    for (const admit of admitted.splice(0)) admit();
    const statuses = (await Promise.all(underWay)).map((response) => response.status);
    const next = call("POST", "/generate", init);
    await untilIdle();
    for (const admit of admitted) admit();

    expect(refused && (await problemOf(refused)).code).toBe("OVERLOADED");
    expect(statuses).toEqual([202, 202]);
    expect((await next).status).toBe(202);
  },
);

test.each([
  ["number", { accepts_max: 2 }],
  ["bytes", { accepts_bytes_max: 2_500 }],
])(
  "a row whose caller was refused counts in the %s until its insert is over: later accepts hold nothing",
  async (_name, bound) => {
    const stored: (() => void)[] = [];
    const { call, advance, admitted } = createFakeGateway(
      {
        insertRequests: (rows) =>
          new Promise((resolve) =>
            stored.push(() => resolve(rows.map(() => ({ kind: "stored" as const })))),
          ),
      },
      bound,
    );

    const late = [call("POST", "/generate", init), call("POST", "/generate", init)];
    await untilIdle();
    await advance(5_000);
    const statuses = (await Promise.all(late)).map((response) => response.status);
    const refused = await problemOf(await call("POST", "/generate", init));
    const holdsTaken = admitted.length;
    for (const end of stored.splice(0)) end();
    await untilIdle();
    const next = call("POST", "/generate", init);
    await untilIdle();
    for (const end of stored) end();

    expect(statuses).toEqual([503, 503]);
    expect(refused.code).toBe("OVERLOADED");
    expect(holdsTaken).toBe(2);
    expect((await next).status).toBe(202);
  },
);
