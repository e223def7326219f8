import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createFairOrder, type FairOrder, type Priority } from "./fair-order.ts";

/** Takes turns, each costing what `tokensOf` says; returns how many tokens each user got. */
function serve(
  order: FairOrder,
  turns: number,
  tokensOf: (userId: string) => number,
): Map<string, number> {
  const served = new Map<string, number>();
  for (let i = 0; i < turns; i += 1) {
    const turn = order.next();
    if (turn === undefined) break;
    order.charge(turn.userId, tokensOf(turn.userId));
    served.set(turn.userId, (served.get(turn.userId) ?? 0) + tokensOf(turn.userId));
  }
  return served;
}

const normal = (userId: string) => ({ userId, priority: "normal" as Priority });

describe("the fair order of users", () => {
  test("gives a newcomer the turn after the next, however long others have waited", () => {
    const order = createFairOrder();
    order.join(normal("flood"), 1);
    serve(order, 1_000, () => 100);

    order.join(normal("lone"), 1);
    const [first, second] = [order.next(), (order.charge("flood", 100), order.next())];

    expect([first?.userId, second?.userId]).toContain("lone");
  });

  test("gives equals their turns in the order in which they have waited", () => {
    const order = createFairOrder();
    for (const [userId, sinceMs] of Object.entries({ b: 2, d: 4, a: 1, c: 3 }))
      order.join(normal(userId), 1, sinceMs);

    const rounds = Array.from({ length: 8 }, () => {
      const turn = order.next();
      order.charge(turn?.userId ?? "", 100);
      return turn?.userId;
    });

    expect(rounds.join("")).toBe("abcdabcd");
  });

  test("does not let a newcomer wait for what others had charged too much and got back", () => {
    const order = createFairOrder();
    order.join(normal("flood"), 1);
    for (let round = 0; round < 30; round += 1) {
      serve(order, 32, () => 4_000);
      order.charge("flood", 32 * (20 - 4_000));
    }

    order.join(normal("lone"), 1);
    const [first, second] = [order.next(), (order.charge("flood", 4_000), order.next())];

    expect([first?.userId, second?.userId]).toContain("lone");
  });

  test("shares tokens by weight, whatever one request of each costs", () => {
    const order = createFairOrder();
    order.join(normal("short"), 1);
    order.join(normal("long"), 1);
    order.join(normal("paid"), 3);

    const served = serve(order, 10_000, (user) => (user === "long" ? 900 : 30));

    const all = [...served.values()].reduce((sum, tokens) => sum + tokens, 0);
    expect((served.get("short") ?? 0) / all).toBeCloseTo(0.2, 2);
    expect((served.get("long") ?? 0) / all).toBeCloseTo(0.2, 2);
    expect((served.get("paid") ?? 0) / all).toBeCloseTo(0.6, 2);
  });

  test("lets nobody save up while away", () => {
    const order = createFairOrder();
    order.join(normal("a"), 1);
    order.join(normal("b"), 1);
    serve(order, 10, () => 1);
    order.leave(normal("b"));
    serve(order, 1_000, () => 1);

    order.join(normal("b"), 1);
    const served = serve(order, 100, () => 1);

    expect(served.get("a")).toBeGreaterThanOrEqual(49);
  });

  test("corrects an estimate by what was settled", () => {
    const order = createFairOrder();
    order.join(normal("careful"), 1);
    order.join(normal("careless"), 1);
    const settled = new Map([
      ["careful", 0],
      ["careless", 0],
    ]);
    for (let i = 0; i < 2_000; i += 1) {
      const userId = order.next()?.userId ?? "";
      const estimate = userId === "careless" ? 1_000 : 50;
      order.charge(userId, estimate);
      order.charge(userId, 50 - estimate);
      settled.set(userId, (settled.get(userId) ?? 0) + 50);
    }

    expect(settled.get("careless")).toBe(settled.get("careful") ?? 0);
  });

  test("gives urgent classes more turns and starves none", () => {
    const order = createFairOrder();
    order.join({ userId: "h", priority: "high" }, 1);
    order.join({ userId: "n", priority: "normal" }, 1);
    order.join({ userId: "l", priority: "low" }, 1);
    const turns: Record<string, number> = { h: 0, n: 0, l: 0 };

    for (let i = 0; i < 210; i += 1) {
      const { userId } = order.next() ?? { userId: "" };
      order.charge(userId, 1);
      turns[userId] = (turns[userId] ?? 0) + 1;
    }

    expect(turns).toEqual({ h: 160, n: 40, l: 10 });
  });

  test("forgets a user's class once it is left, and counts who waits", () => {
    const order = createFairOrder();
    order.join(normal("a"), 2);
    order.join({ userId: "a", priority: "low" }, 2);
    order.join(normal("b"), 1);
    expect(order.waiting()).toEqual({ users: 2, weights: 3 });

    order.leave(normal("a"));
    expect(order.has(normal("a"))).toBe(false);
    expect(order.waiting()).toEqual({ users: 2, weights: 3 });
    order.leave({ userId: "a", priority: "low" });
    order.leave(normal("b"));

    expect(order.waiting()).toEqual({ users: 0, weights: 0 });
    expect(order.next()).toBeUndefined();
  });

  test("keeps any two users who wait all the time within one request of each other", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 50, maxLength: 400 }),
        (costs) => {
          const order = createFairOrder();
          order.join(normal("a"), 1);
          order.join(normal("b"), 1);
          const served: Record<string, number> = { a: 0, b: 0 };
          for (const tokens of costs) {
            const { userId } = order.next() ?? { userId: "" };
            order.charge(userId, tokens);
            served[userId] = (served[userId] ?? 0) + tokens;
          }
          expect(Math.abs((served["a"] ?? 0) - (served["b"] ?? 0))).toBeLessThanOrEqual(500);
        },
      ),
    );
  });

  test("costs about the same to pick among a hundred thousand users as among ten", () => {
    const order = createFairOrder();
    for (let i = 0; i < 100_000; i += 1) order.join(normal(`user-${i}`), 1);

    const served = serve(order, 200_000, () => 1);

    // Every one had exactly two turns: the heap kept its order through all of them.
    expect(served.size).toBe(100_000);
    expect(Math.max(...served.values())).toBe(2);
  });
});
