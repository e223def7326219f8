import { expect, test } from "bun:test";
import fc from "fast-check";
import { nextSubscriptionStep, type Subscription } from "./subscriptions.ts";

/** A channel of a queue that always has more: each settled message is replaced where it came on. */
function createChannel() {
  let subscriptions: Subscription[] = [];
  let [wanted, left] = [0, 0];
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  const held = (): number => sum(subscriptions.map(({ prefetch }) => prefetch));

  function takeSteps(): void {
    for (let taken = 0; taken < 100; taken += 1) {
      const step = nextSubscriptionStep(wanted, subscriptions, left);
      if (step === undefined) return;
      if (step.kind === "subscribe") {
        subscriptions.push({ prefetch: step.prefetch, owned: step.prefetch });
        expect(held() + left).toBeLessThanOrEqual(wanted);
      } else {
        left += sum(step.subscriptions.map(({ owned }) => owned));
        subscriptions = subscriptions.filter((one) => !step.subscriptions.includes(one));
      }
    }
    throw new Error("the steps do not end");
  }

  return {
    want: (prefetch: number): void => {
      wanted = prefetch;
      takeSteps();
    },
    /** Settles a message of a subscription that is over, if there is one. */
    settleLeft: (): void => {
      if (left === 0) return;
      left -= 1;
      takeSteps();
    },
    held,
    left: () => left,
    count: () => subscriptions.length,
  };
}

const wishes = (prefetchMax: number) =>
  fc.array(fc.record({ prefetch: fc.nat(prefetchMax), settles: fc.nat(prefetchMax) }), {
    maxLength: 60,
  });

test.each([4, 64, 2_000])(
  "whatever was wanted before, all of a prefetch up to %d is subscribed once the old messages are settled",
  (prefetchMax) => {
    fc.assert(
      fc.property(wishes(prefetchMax), fc.nat(prefetchMax), (changes, wanted) => {
        const channel = createChannel();
        for (const { prefetch, settles } of changes) {
          channel.want(prefetch);
          expect(channel.held()).toBeLessThanOrEqual(prefetch);
          for (let settled = 0; settled < settles; settled += 1) channel.settleLeft();
        }
        channel.want(wanted);

        for (let settled = 0; channel.left() > 0; settled += 1) {
          channel.settleLeft();
          expect(settled).toBeLessThan(10 * prefetchMax);
        }

        expect(channel.held()).toBe(wanted);
        expect(channel.count()).toBeLessThanOrEqual(16);
      }),
    );
  },
);

test("a first prefetch is one subscription, and none is wanted of nothing", () => {
  expect(nextSubscriptionStep(64, [], 0)).toEqual({ kind: "subscribe", prefetch: 64 });
  expect(nextSubscriptionStep(0, [], 3)).toBeUndefined();
});

test("a larger prefetch is added to, and messages of before count against it", () => {
  const [large] = [{ prefetch: 10, owned: 10 }];

  expect(nextSubscriptionStep(15, [large], 0)).toEqual({ kind: "subscribe", prefetch: 5 });
  expect(nextSubscriptionStep(15, [large], 5)).toBeUndefined();
});

test("a smaller prefetch costs the smallest subscription that is enough", () => {
  const [large, middle, small] = [32, 8, 4].map((prefetch) => ({ prefetch, owned: 0 }));
  const all = [small, large, middle].filter((one) => one !== undefined);

  const step = nextSubscriptionStep(38, all, 0);

  expect(step).toEqual({ kind: "cancel", subscriptions: middle ? [middle] : [] });
});

test("raised one by one under load, a prefetch of 64 is nearly always in use", () => {
  const channel = createChannel();
  let [used, wanted] = [0, 0];

  for (let prefetch = 1; prefetch <= 64; prefetch += 1) {
    channel.want(prefetch);
    for (let settled = 0; settled < prefetch; settled += 1) {
      used += channel.held() + channel.left();
      wanted += prefetch;
      // One in so many settled messages is one of a subscription that is over.
      if (settled % Math.ceil(prefetch / (channel.left() + 1)) === 0) channel.settleLeft();
    }
  }

  expect(used / wanted).toBeGreaterThan(0.95);
});
