import { expect, test } from "bun:test";
import fc from "fast-check";

import type { InferenceOutcome } from "../core/attempt/outcome.ts";
import { untilIdle } from "../test/support/clock.ts";
import {
  answered,
  failed,
  type FakeWorld,
  MODEL,
  startFakeWorld,
} from "../test/support/worker-world.ts";
import type { FakeDelivery } from "../test/support/worker-arrivals.ts";

/** What may happen to a worker, in any order. `pick` chooses among the calls or deliveries there are. */
const happening = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("deliver"), pick: fc.nat(3) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("answer"), pick: fc.nat(20) }) },
  fc.record({ kind: fc.constant("fail"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("throw"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("cancel"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("lose"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("broker"), pick: fc.nat(1) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance"), pick: fc.nat(30_000) }) },
);
type Happening = { kind: string; pick: number };

const FAILURES: InferenceOutcome[] = [
  failed("UPSTREAM_FAILED"),
  failed("UPSTREAM_BUSY", 2_000),
  failed("UPSTREAM_TIMEOUT"),
  failed("UPSTREAM_REJECTED"),
];

const PREFETCH = 8;
const CONCURRENCY = 3;

/** One run: the world, and what the broker saw of each delivery. */
interface Run {
  world: FakeWorld;
  deliveries: { id: string; observed: FakeDelivery; isLost: boolean }[];
  isBrokerUp: boolean;
}

async function startRun(): Promise<Run> {
  const model = { ...MODEL, concurrency_max: CONCURRENCY };
  const world = await startFakeWorld({ prefetch: PREFETCH }, { m: model });
  const run: Run = { world, deliveries: [], isBrokerUp: true };
  const { publishResult, publishAgain, publishRetry, publishDead } = world.ports;
  const orAway =
    <Args extends unknown[]>(publish: (...args: Args) => Promise<void>) =>
    (...args: Args): Promise<void> =>
      run.isBrokerUp ? publish(...args) : Promise.reject(new Error("the broker is away"));
  world.ports.publishResult = orAway(publishResult);
  world.ports.publishAgain = orAway(publishAgain);
  world.ports.publishRetry = orAway(publishRetry);
  world.ports.publishDead = orAway(publishDead);
  return run;
}

const isOpen = ({ observed, isLost }: Run["deliveries"][number]): boolean =>
  !isLost && observed.conclusions.length === 0;

async function happen(run: Run, { kind, pick }: Happening): Promise<void> {
  const { world } = run;
  const open = run.deliveries.filter(isOpen);
  const delivery = open[pick % Math.max(1, open.length)];
  const calls = world.calls.filter(({ signal }) => !signal.aborted);
  const call = calls[calls.length - 1 - (pick % Math.max(1, calls.length))];
  switch (kind) {
    case "deliver": {
      if (open.length >= PREFETCH) return;
      const id = `r${run.deliveries.length}`;
      const observed = await world.deliver(id, { deliveryCount: pick });
      run.deliveries.push({ id, observed, isLost: false });
      return;
    }
    case "answer":
      return call?.answer(answered);
    case "fail":
      return call?.answer(FAILURES[pick % FAILURES.length] ?? answered);
    case "throw":
      return call?.fail(new Error("a bug"));
    case "cancel":
      return delivery && world.cancel(delivery.id);
    case "lose":
      if (delivery === undefined) return;
      delivery.isLost = true;
      delivery.observed.loseChannel();
      return world.clock.advance(0);
    case "broker":
      run.isBrokerUp = pick === 0;
      return;
    case "advance":
      return world.clock.advance(pick);
  }
}

/** Each ack must come after the broker has confirmed what the delivery became. */
function expectNothingLost({ world, deliveries }: Run): void {
  for (const { id, observed } of deliveries) {
    expect(observed.conclusions.length).toBeLessThanOrEqual(1);
    const acked = world.events.indexOf(`ack ${id}`);
    if (acked === -1) continue;
    const before = world.events.slice(0, acked);
    expect(
      before.some(
        (event) =>
          event.startsWith(`result ${id} `) || event === `retry ${id}` || event === `again ${id}`,
      ),
    ).toBe(true);
  }
}

test("nothing is acked before its end is confirmed, and a drain leaves nothing behind", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { minLength: 20, maxLength: 80, size: "max" }),
      async (happenings) => {
        const run = await startRun();
        const { world } = run;

        for (const one of happenings) {
          await happen(run, one);
          expectNothingLost(run);
          expect(world.worker.snapshot().owned).toBe(run.deliveries.filter(isOpen).length);
          expect(world.worker.snapshot().models["m"]?.underWay ?? 0).toBeLessThanOrEqual(
            CONCURRENCY,
          );
        }
        const drained = world.worker.drain(10_000);
        await untilIdle();
        await world.clock.advance(12_000);
        await drained;

        expectNothingLost(run);
        expect(run.deliveries.filter(isOpen)).toEqual([]);
        expect(world.worker.snapshot()).toMatchObject({ state: "stopped", owned: 0, waiting: 0 });
        expect(world.worker.snapshot().models["m"]?.underWay ?? 0).toBe(0);
        expect(world.clock.timerCount()).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
