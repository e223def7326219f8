import { describe, expect, test } from "bun:test";

import {
  afterSuccess,
  afterTrouble,
  type HealthPolicy,
  HEALTHY,
  leaveOf,
  type ModelHealth,
  suspicionOf,
  type Trouble,
  withoutProbe,
  withProbe,
  withUserProbe,
  withUserProbeUntil,
} from "./model-health.ts";

const POLICY: HealthPolicy = { failuresMax: 4, pauseFirstMs: 1_000, pauseMaxMs: 8_000 };

interface Step {
  user?: string;
  trouble: Trouble;
  atMs: number;
  tookMs?: number;
  retryAfterMs?: number;
  isProbe?: boolean;
}

const after = (health: ModelHealth, { user = "a", trouble, atMs, ...more }: Step): ModelHealth =>
  afterTrouble(
    health,
    {
      trouble,
      userId: user,
      message: trouble,
      tookMs: more.tookMs ?? 10,
      retryAfterMs: more.retryAfterMs ?? null,
      isProbe: more.isProbe ?? false,
    },
    atMs,
    POLICY,
  );
const afterAll = (steps: readonly Step[]): ModelHealth => steps.reduce(after, HEALTHY);

describe("who is paused", () => {
  test("everybody, at once, when the service cannot be reached", () => {
    const health = afterAll([{ trouble: "unreachable", atMs: 100 }]);

    expect(leaveOf(health, "b", 101)).toEqual({ kind: "model_paused", untilMs: 1_100 });
  });

  test.each(["busy", "unavailable", "refused"] as const)(
    "only the user while %s is met by one user alone, however often",
    (trouble) => {
      const steps = Array.from({ length: 100 }, (_, i) => ({ trouble, atMs: 100 + 20_000 * i }));
      const health = afterAll(steps);

      expect(leaveOf(health, "a", 1_980_101).kind).toBe("user_paused");
      expect(leaveOf(health, "b", 1_980_101).kind).toBe("go");
    },
  );

  test("everybody once two users are in trouble and nobody is well", () => {
    const health = afterAll([
      { trouble: "refused", atMs: 100 },
      { user: "b", trouble: "refused", atMs: 200 },
    ]);

    expect(leaveOf(health, "c", 300).kind).toBe("model_paused");
    expect(health.pause?.cause).toBe("refused");
  });

  test("nobody but the users in trouble while as many are well", () => {
    let health = afterAll([{ trouble: "unavailable", atMs: 100 }]);
    for (const userId of ["b", "c"]) health = afterSuccess(health, { userId, isProbe: false }, 150);
    health = after(health, { user: "d", trouble: "unavailable", atMs: 200 });

    expect(leaveOf(health, "d", 210).kind).toBe("user_paused");
    expect(leaveOf(health, "b", 210).kind).toBe("go");
  });

  test("one user after several failed executions in a row, and nobody else", () => {
    const three = Array.from({ length: 3 }, (_, i): Step => ({
      trouble: "failing",
      atMs: 100 + i,
    }));
    expect(leaveOf(afterAll(three), "a", 200).kind).toBe("go");

    const four = afterAll([...three, { trouble: "failing", atMs: 110 }]);

    expect(leaveOf(four, "a", 200).kind).toBe("user_paused");
    expect(leaveOf(four, "b", 200).kind).toBe("go");
  });

  test("everybody when executions of several users fail often enough", () => {
    const steps = ["a", "b", "a", "b"].map((user, i): Step => ({
      user,
      trouble: "failing",
      atMs: 100 + i,
    }));
    expect(leaveOf(afterAll(steps.slice(0, 3)), "c", 200).kind).toBe("go");

    expect(leaveOf(afterAll(steps), "c", 200).kind).toBe("model_paused");
  });

  test("not on failures of long ago", () => {
    const health = afterAll([
      { trouble: "unavailable", atMs: 100 },
      { user: "b", trouble: "unavailable", atMs: 100_000 },
    ]);

    expect(leaveOf(health, "c", 100_001).kind).toBe("go");
  });
});

describe("the pause of a model", () => {
  const paused = afterAll([{ trouble: "unreachable", atMs: 0 }]);

  test("grows by each probe in vain up to its longest, and is over with one that succeeds", () => {
    let health = paused;
    const pauses: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const atMs = health.pause?.untilMs ?? 0;
      health = withProbe(health, "w", atMs, 5_000) ?? health;
      health = after(health, { trouble: "unavailable", atMs, isProbe: true });
      pauses.push((health.pause?.untilMs ?? 0) - atMs);
    }

    expect(pauses).toEqual([2_000, 4_000, 8_000, 8_000, 8_000]);
    expect(afterSuccess(health, { userId: "a", isProbe: true }, 99_999)).toEqual(HEALTHY);
  });

  test("is as long as the service asked for", () => {
    const health = after(paused, {
      trouble: "busy",
      atMs: 1_000,
      isProbe: true,
      retryAfterMs: 600_000,
    });

    expect(health.pause?.untilMs).toBe(601_000);
  });

  test("is probed by one worker at a time, and by another when that one is gone", () => {
    expect(withProbe(paused, "w1", 999, 5_000)).toBeNull();
    const probed = withProbe(paused, "w1", 1_000, 5_000);

    expect(withProbe(probed ?? HEALTHY, "w2", 2_000, 5_000)).toBeNull();
    expect(withProbe(probed ?? HEALTHY, "w2", 6_001, 5_000)).not.toBeNull();
    expect(withProbe(withoutProbe(probed ?? HEALTHY, "w1"), "w2", 2_000, 5_000)).not.toBeNull();
  });

  test("does not grow by calls that ran before it began", () => {
    const late = Array.from({ length: 30 }, (): Step => ({
      trouble: "failing",
      atMs: 500,
      tookMs: 2_000,
    }));

    expect(late.reduce(after, paused).pause).toEqual(paused.pause);
  });
});

describe("the pause of one user", () => {
  test("does not grow by calls that ran side by side", () => {
    const together = Array.from({ length: 32 }, (): Step => ({
      trouble: "busy",
      atMs: 5_000,
      tookMs: 3_000,
    }));

    const health = afterAll(together);

    expect(leaveOf(health, "a", 5_001)).toEqual({ kind: "user_paused", untilMs: 6_000 });
  });

  test("lets one request at a time try when it is over, and ends with a success", () => {
    const health = afterAll([{ trouble: "busy", atMs: 0 }]);
    const tried = withUserProbe(health, "a", 1_000, 5_000);

    expect(leaveOf(tried ?? HEALTHY, "a", 1_001)).toEqual({ kind: "user_paused", untilMs: 6_000 });
    expect(withUserProbe(tried ?? HEALTHY, "a", 1_001, 5_000)).toBeNull();
    expect(
      leaveOf(afterSuccess(health, { userId: "a", isProbe: false }, 1_100), "a", 1_101).kind,
    ).toBe("go");
  });

  test("is tried for longer by who holds the trial, and by another at once when it is given back", () => {
    const health = afterAll([{ trouble: "busy", atMs: 0 }]);
    const tried = withUserProbe(health, "a", 1_000, 5_000) ?? HEALTHY;

    const renewed = withUserProbeUntil(tried, "a", 9_000);
    const givenBack = withUserProbeUntil(renewed, "a", 0);

    expect(leaveOf(renewed, "a", 8_999)).toEqual({ kind: "user_paused", untilMs: 9_000 });
    expect(leaveOf(givenBack, "a", 1_001).kind).toBe("probe");
    expect(withUserProbeUntil(givenBack, "a", 9_000)).toBe(givenBack);
    expect(withUserProbeUntil(HEALTHY, "a", 9_000)).toBe(HEALTHY);
  });

  test("is told to operators when nobody else calls", () => {
    const steps = Array.from({ length: 3 }, (_, i): Step => ({
      trouble: "refused",
      atMs: 10_000 * i,
    }));
    const health = afterAll(steps);

    expect(suspicionOf(afterAll(steps.slice(0, 2)), 10_001)).toBeNull();
    expect(suspicionOf(health, 20_001)?.trouble).toBe("refused");
    const other = afterSuccess(health, { userId: "b", isProbe: false }, 20_002);
    expect(suspicionOf(other, 20_003)).toBeNull();
  });
});

test("the record stays bounded however many users are in trouble", () => {
  let health = HEALTHY;
  for (let i = 0; i < 2_000; i += 1) {
    health = after(health, { user: `u${i}`, trouble: "busy", atMs: i });
  }

  expect(Object.keys(health.users).length).toBeLessThanOrEqual(500);
});
