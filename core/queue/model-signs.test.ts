import { describe, expect, test } from "bun:test";

import { HEALTHY, type ModelHealth, type Trouble, type UserTrouble } from "./model-health.ts";
import { signsOf } from "./model-signs.ts";

const NOW_MS = 1_000_000;

const troubleOf = (changes: Partial<UserTrouble> = {}): UserTrouble => ({
  trouble: "failing",
  message: "status 500",
  failures: 5,
  lastMs: NOW_MS,
  pauseMs: 8_000,
  pausedAtMs: NOW_MS,
  untilMs: NOW_MS + 8_000,
  probeUntilMs: 0,
  ...changes,
});
const pauseFor = (cause: Trouble): ModelHealth["pause"] => ({
  cause,
  message: "status 401",
  sinceMs: NOW_MS,
  pauseMs: 1_000,
  untilMs: NOW_MS + 1_000,
  probe: null,
});
const signs = (health: Partial<ModelHealth>, isPausedByOperator = false) =>
  signsOf({ health: { ...HEALTHY, ...health }, atMs: NOW_MS }, isPausedByOperator);

describe("the signs of a model", () => {
  test("are none while it is well", () => {
    expect(signs({})).toEqual({ pausedFor: new Set(), suspectedOf: null, usersPaused: 0 });
  });

  test("name its trouble and its operator's pause side by side", () => {
    const { pausedFor } = signs({ pause: pauseFor("refused") }, true);

    expect([...pausedFor].toSorted()).toEqual(["operator", "refused"]);
  });

  test("name what its only user meets as a suspicion, until it is paused for it", () => {
    const users = { a: troubleOf({ trouble: "refused" }) };

    expect(signs({ users })).toMatchObject({ suspectedOf: "refused", usersPaused: 1 });
    expect(signs({ users, pause: pauseFor("refused") }).suspectedOf).toBeNull();
    expect(signs({ users, well: { b: NOW_MS } }).suspectedOf).toBeNull();
  });

  test("count only users whose pause is not long over", () => {
    const users = {
      waiting: troubleOf(),
      probed: troubleOf({ untilMs: NOW_MS - 59_999 }),
      gone: troubleOf({ untilMs: NOW_MS - 60_000 }),
      unpaused: troubleOf({ pauseMs: 0 }),
    };

    expect(signs({ users }).usersPaused).toBe(2);
  });
});
