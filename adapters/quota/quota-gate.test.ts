import { expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { snapshotOfModel, UNKNOWN_USER } from "../../test/support/fakes/quota-model.ts";
import type { AdmitReply, LoadReply, LoadTicket, QuotaTruth } from "../../core/quota/quota.ts";
import { createQuotaGate, type QuotaGatePorts } from "./quota-gate.ts";

const SNAPSHOT = snapshotOfModel(UNKNOWN_USER, 0, "1970-01-01");
const TICKET: LoadTicket = { instance: "i", nonce: "i:n", recentRequestIds: ["r9"] };
const TRUTH: QuotaTruth = { limits: UNKNOWN_USER.limits, days: [], holds: [] };
const ADMISSION = { userId: "u", requestId: "r", tokens: 5 };

/** Ports over a Redis that forgets the user `forgets` times, and a record of what was called. */
function portsOf(given: { forgets?: number; loads?: LoadReply[] } = {}) {
  const calls: string[] = [];
  let forgets = given.forgets ?? 1;
  let isLoaded = false;
  const loads = [...(given.loads ?? [])];
  const ports: QuotaGatePorts = {
    admit: async (): Promise<AdmitReply> => {
      calls.push("admit");
      if (!isLoaded) return { kind: "unknown" };
      return { kind: "admitted", snapshot: SNAPSHOT };
    },
    read: async () => (isLoaded ? SNAPSHOT : undefined),
    beginLoad: async () => {
      calls.push("beginLoad");
      return TICKET;
    },
    readTruth: async (_, recentRequestIds) => {
      calls.push(`readTruth ${recentRequestIds.join()}`);
      return TRUTH;
    },
    load: async () => {
      calls.push("load");
      const reply = loads.shift() ?? "loaded";
      if (reply !== "superseded") {
        forgets -= 1;
        isLoaded = forgets <= 0;
      }
      return reply;
    },
  };
  return { ports, calls };
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test("an unknown user is loaded from a truth read after the ticket was given, then admitted", async () => {
  const { ports, calls } = portsOf();

  const reply = await createQuotaGate(ports).admitOrRebuild(ADMISSION);

  expect(reply).toEqual({ admitted: true, snapshot: SNAPSHOT });
  expect(calls).toEqual(["admit", "beginLoad", "readTruth r9", "load", "admit"]);
});

test("a superseded load reads the truth again", async () => {
  const { ports, calls } = portsOf({ loads: ["superseded", "superseded", "loaded"] });

  await createQuotaGate(ports).admitOrRebuild(ADMISSION);

  expect(calls.filter((call) => call === "readTruth r9")).toHaveLength(3);
});

test("a hundred admissions of an unknown user at once share one rebuild", async () => {
  const { ports, calls } = portsOf();
  const gate = createQuotaGate(ports);

  const replies = await Promise.all(
    Array.from({ length: 100 }, () => gate.admitOrRebuild(ADMISSION)),
  );

  expect(replies.every(({ admitted }) => admitted)).toBe(true);
  expect(calls.filter((call) => call === "load")).toHaveLength(1);
});

test("a user lost again after every rebuild is refused as unavailable, never let through", async () => {
  const { ports } = portsOf({ forgets: 1_000 });

  const admitted = createQuotaGate(ports).admitOrRebuild(ADMISSION);

  expect(await failureOf(admitted)).toMatchObject({ code: "QUOTA_UNAVAILABLE" });
});

test("a load that is superseded every time ends as unavailable", async () => {
  const { ports, calls } = portsOf({ loads: Array<LoadReply>(50).fill("superseded") });

  const admitted = createQuotaGate(ports).admitOrRebuild(ADMISSION);

  expect(await failureOf(admitted)).toMatchObject({ code: "QUOTA_UNAVAILABLE" });
  expect(calls.filter((call) => call === "load")).toHaveLength(5);
});

test("a failed rebuild does not stand in the way of the next one", async () => {
  const { ports } = portsOf();
  const { readTruth } = ports;
  ports.readTruth = () => Promise.reject(new Error("store away"));
  const gate = createQuotaGate(ports);
  expect(await failureOf(gate.admitOrRebuild(ADMISSION))).toMatchObject({ message: "store away" });
  ports.readTruth = readTruth;

  expect((await gate.admitOrRebuild(ADMISSION)).admitted).toBe(true);
});

test("at most four users are rebuilt at once, and all of them in the end", async () => {
  const { ports } = portsOf();
  let running = 0;
  let most = 0;
  const known = new Set<string>();
  ports.admit = async ({ userId }) =>
    known.has(userId) ? { kind: "admitted", snapshot: SNAPSHOT } : { kind: "unknown" };
  ports.readTruth = async () => {
    running += 1;
    most = Math.max(most, running);
    await Bun.sleep(0);
    running -= 1;
    return TRUTH;
  };
  ports.load = async (userId) => {
    known.add(userId);
    return "loaded";
  };
  const gate = createQuotaGate(ports);

  await Promise.all(
    Array.from({ length: 30 }, (_, i) => gate.admitOrRebuild({ ...ADMISSION, userId: `u${i}` })),
  );

  expect([most, known.size]).toEqual([4, 30]);
});

test("a reading of an unknown user rebuilds it as well", async () => {
  const { ports } = portsOf();

  expect(await createQuotaGate(ports).readOrRebuild("u")).toEqual(SNAPSHOT);
});

test("users beyond the queue of rebuilds are refused at once, and the others come through", async () => {
  const loaded = new Set<string>();
  const ends: (() => void)[] = [];
  const gate = createQuotaGate({
    ...portsOf().ports,
    admit: async ({ userId }) =>
      loaded.has(userId) ? { kind: "admitted", snapshot: SNAPSHOT } : { kind: "unknown" },
    load: async (userId) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      loaded.add(userId);
      return "loaded";
    },
  });
  const settled: string[] = [];
  const calls = Array.from({ length: 600 }, (_, index) =>
    gate.admitOrRebuild({ ...ADMISSION, userId: `user-${index}` }).then(
      () => void settled.push("admitted"),
      (error: unknown) => void settled.push(error instanceof Fault ? error.code : "other"),
    ),
  );

  while (settled.length < 96) await Promise.resolve();
  const refused = [...settled];
  while (settled.length < 600) {
    for (const end of ends.splice(0)) end();
    await Promise.resolve();
  }
  await Promise.all(calls);

  expect(new Set(refused)).toEqual(new Set(["QUOTA_UNAVAILABLE"]));
  expect(settled.filter((outcome) => outcome === "admitted")).toHaveLength(504);
});
