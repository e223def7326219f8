import { expect, test } from "bun:test";
import fc from "fast-check";

import type { InferenceOutcome } from "../core/attempt/outcome.ts";
import type { ModelConfig } from "../core/config/schema.ts";
import { untilIdle } from "../test/support/clock.ts";
import {
  answered,
  failed,
  type FakeWorld,
  MODEL,
  startFakeWorld,
} from "../test/support/worker-world.ts";
import type { FakeDelivery } from "../test/support/worker-arrivals.ts";

/** What may happen to a worker, in any order. `pick` chooses among what there is. */
const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("deliver"), pick: fc.nat(23) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("answer"), pick: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("fail"), pick: fc.nat(20) }) },
  fc.record({ kind: fc.constant("throw"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("cancel"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("lose"), pick: fc.nat(20) }),
  fc.record({ kind: fc.constant("broker"), pick: fc.nat(1) }),
  fc.record({ kind: fc.constant("redis"), pick: fc.nat(1) }),
  fc.record({ kind: fc.constant("configure"), pick: fc.nat(3) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance"), pick: fc.nat(8_000) }) },
);
type Happening = { kind: string; pick: number };

const FAILURES: InferenceOutcome[] = [
  failed("UPSTREAM_FAILED"),
  failed("UPSTREAM_BUSY", 2_000),
  failed("UPSTREAM_TIMEOUT"),
  failed("UPSTREAM_REJECTED"),
  failed("UPSTREAM_UNREACHABLE"),
  failed("UPSTREAM_REFUSED"),
];

const CONCURRENCY = 3;
const ONE: ModelConfig = { ...MODEL, concurrency_max: CONCURRENCY };
const MODELS = ["m", "other"];
const USERS = ["u0", "u1", "u2"];

/** One run: the world, and what the broker saw of each delivery. */
interface Run {
  world: FakeWorld;
  deliveries: Delivered[];
  isBrokerUp: boolean;
}

interface Delivered {
  id: string;
  from: string;
  observed: FakeDelivery;
  isLost: boolean;
}

async function startRun(): Promise<Run> {
  const world = await startFakeWorld({}, { m: ONE, other: ONE });
  const run: Run = { world, deliveries: [], isBrokerUp: true };
  const { publishResult, publishAgain, publishRetry, publishDead, publishPutOff } = world.ports;
  const orAway =
    <Args extends unknown[]>(publish: (...args: Args) => Promise<void>) =>
    (...args: Args): Promise<void> =>
      run.isBrokerUp ? publish(...args) : Promise.reject(new Error("the broker is away"));
  world.ports.publishResult = orAway(publishResult);
  world.ports.publishAgain = orAway(publishAgain);
  world.ports.publishRetry = orAway(publishRetry);
  world.ports.publishDead = orAway(publishDead);
  world.ports.publishPutOff = orAway(publishPutOff);
  world.consumer.setPrefetch = orAway(async () => {});
  return run;
}

const isOpen = ({ observed, isLost }: Delivered): boolean =>
  !isLost && observed.conclusions.length === 0;

/** As the broker does: no more of a queue than the prefetch allows. */
async function deliver(run: Run, pick: number): Promise<void> {
  const { world } = run;
  const from = MODELS[pick % 2] ?? "";
  const owned = run.deliveries.filter((one) => one.from === from && isOpen(one));
  if (!run.isBrokerUp || owned.length >= (world.prefetches().get(from) ?? 0)) return;
  const id = `r${run.deliveries.length}`;
  // Now and then one lies in the queue of another model.
  const model = pick >= 20 ? MODELS[(pick + 1) % 2] : from;
  const request = { model: model ?? "", userId: USERS[pick % 3] ?? "" };
  const observed = await world.deliver(id, { from, request, deliveryCount: pick % 4 });
  run.deliveries.push({ id, from, observed, isLost: false });
}

async function happen(run: Run, { kind, pick }: Happening): Promise<void> {
  const { world } = run;
  const open = run.deliveries.filter(isOpen);
  const delivery = open[pick % Math.max(1, open.length)];
  const calls = world.calls.filter(({ signal }) => !signal.aborted);
  const call = calls[calls.length - 1 - (pick % Math.max(1, calls.length))];
  switch (kind) {
    case "deliver":
      return deliver(run, pick);
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
    case "redis":
      world.redis.isAway = pick === 1;
      return;
    case "configure":
      world.config.models = pick === 0 ? { m: ONE } : { m: ONE, other: ONE };
      world.config.default_model = pick === 1 ? "other" : "m";
      world.worker.reload();
      return untilIdle();
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
    const confirmed = [`retry ${id}`, `again ${id}`, `put off ${id}`];
    const before = world.events.slice(0, acked);
    expect(
      before.some((event) => event.startsWith(`result ${id} `) || confirmed.includes(event)),
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
          const { owned, models } = world.worker.snapshot();
          expect(owned).toBe(run.deliveries.filter(isOpen).length);
          for (const { underWay } of Object.values(models)) {
            expect(underWay).toBeLessThanOrEqual(CONCURRENCY);
          }
        }
        const drained = world.worker.drain(10_000);
        await untilIdle();
        await world.clock.advance(12_000);
        await drained;

        expectNothingLost(run);
        expect(run.deliveries.filter(isOpen)).toEqual([]);
        expect(world.worker.snapshot()).toMatchObject({ state: "stopped", owned: 0, waiting: 0 });
        for (const { underWay } of Object.values(world.worker.snapshot().models)) {
          expect(underWay).toBe(0);
        }
        expect(world.clock.timerCount()).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
}, 30_000);
