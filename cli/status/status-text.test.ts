import { describe, expect, test } from "bun:test";

import { AT_MS, config, PAUSED, readingsOf, WORKER } from "../../test/support/status-samples.ts";
import { conditionsOf } from "./conditions.ts";
import { modelStatuses } from "./model-states.ts";
import type { Readings } from "./reading.ts";
import { statusJson } from "./status-json.ts";
import { formatStatus } from "./status-text.ts";

const conditionsIn = (readings: Readings) =>
  conditionsOf(readings, modelStatuses(readings, config), config);

describe("the screen", () => {
  const shown = (readings: Readings): string =>
    formatStatus(readings, modelStatuses(readings, config), conditionsIn(readings));

  test("shows models, workers, who fills the queue, and the rest", () => {
    const user = {
      userId: "u1",
      name: "Ada",
      email: "ada@example.org",
      requests: 12,
      tokens: 3_400,
    };
    const text = shown(
      readingsOf({
        store: {
          mostOpen: [{ ...user, oldestCreatedAtMs: AT_MS - 65_000 }],
          mostBilledToday: [{ ...user, email: null }],
          outbox: 7,
        },
        shared: { healths: { slow: PAUSED } },
      }),
    );

    expect(text).toContain("2026-11-27 12:00:00 UTC  one thing is wrong");
    expect(text).toMatch(/^fast +ok /m);
    expect(text).toMatch(/^slow +paused, tried in 8s /m);
    expect(text).toMatch(/^w1 +node-1 +3 +fast 8, slow 2$/m);
    expect(text).toMatch(/^ada@example.org +12 +3,400 +1m 5s$/m);
    expect(text).toContain("u1 (deleted)");
    expect(text).toContain(
      "dead letters: 0 requests, 0 results   outbox: 7   gateways: 2   keeper: yes",
    );
  });

  test("fits a screen however many workers there are", () => {
    const workers = Array.from({ length: 100 }, (_, at) => ({ ...WORKER, workerId: `w${at}` }));

    const text = shown(readingsOf({ shared: { workers } }));

    expect(text).toContain("and 92 more workers");
    expect(text.split("\n").length).toBeLessThan(24);
  });

  test("obeys nothing that somebody else wrote", () => {
    const pause = { by: "o\u001B[2J", reason: "x\ny", atMs: AT_MS };
    const text = shown(readingsOf({ store: { pauses: new Map([["fast", pause]]) } }));

    expect(text).not.toContain("\u001B");
    expect(text).toContain("x\\u000ay");
  });

  test("shows a question mark for what nobody could be asked", () => {
    const away: Readings = { ...readingsOf(), postgres: { ok: false, reason: "no reply" } };

    expect(shown(away)).toContain("outbox: ?   gateways: ?   keeper: ?");
  });
});

test("as JSON it says the same to scripts", () => {
  const readings: Readings = {
    ...readingsOf({ shared: { healths: { fast: PAUSED } } }),
    broker: { ok: false, reason: "ECONNREFUSED" },
  };
  const models = modelStatuses(readings, config);

  expect(statusJson(readings, models, conditionsIn(readings))).toMatchObject({
    is_fine: false,
    servers: { postgres: "ok", redis: "ok", amqp: "ECONNREFUSED" },
    models: [
      {
        model: "fast",
        state: "paused",
        trouble: "refused",
        next_probe_at: "2026-11-27T12:00:08.000Z",
      },
      { model: "slow", state: "ok" },
    ],
    workers: [{ host: "node-1", models: { fast: { limit: 8, under_way: 3 } } }],
    dead_letters: null,
    outbox: 0,
    has_keeper: true,
  });
});
