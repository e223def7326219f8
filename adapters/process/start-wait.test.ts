import { expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { silentLog } from "../../runtime/log.ts";
import { createStartWait } from "./start-wait.ts";

const away = new Fault("STORE_UNAVAILABLE", "nobody listens");

/** Time passes only in pauses; what is said is kept. */
function createWorld() {
  let nowMs = 0;
  const said: unknown[] = [];
  const wait = createStartWait({
    log: { warn: (fields) => said.push(fields), info: (fields) => said.push(fields) },
    now: () => nowMs,
    pause: (ms) => {
      nowMs += ms;
      return Promise.resolve();
    },
  });
  return { wait, said, nowMs: () => nowMs };
}

/** Throws until it was asked so many times. */
const thereAfter = (asks: number) => {
  let left = asks;
  return () => (left-- > 0 ? Promise.reject(away) : Promise.resolve());
};

test("a start waits for what is missing, and says what it is twice a minute", async () => {
  const { wait, said, nowMs } = createWorld();

  await wait.untilThere({ redis: thereAfter(0), postgres: thereAfter(121) });

  expect(nowMs()).toBe(60_500);
  expect(said).toEqual([
    ...Array.from({ length: 3 }, () => ({ missing: "postgres", err: away })),
    { found: "postgres" },
  ]);
});

test("until all is there, readiness tells what is and what is not", async () => {
  const asked = Promise.withResolvers<void>();
  const found = Promise.withResolvers<void>();
  const wait = createStartWait({
    log: silentLog,
    now: () => 0,
    pause: () => {
      asked.resolve();
      return found.promise;
    },
  });

  const waiting = wait.untilThere({ redis: thereAfter(0), postgres: thereAfter(1) });
  await asked.promise;

  expect(await wait.readiness()).toEqual({ redis: true, postgres: false, started: false });
  found.resolve();
  await waiting;
  expect(await wait.readiness()).toEqual({ redis: true, postgres: true, started: false });
});

test("what waiting does not mend ends the start at once", async () => {
  const { wait, nowMs } = createWorld();
  const wrong = new Error("the queue has other arguments");

  const waiting = wait.untilThere({ postgres: thereAfter(0), broker: () => Promise.reject(wrong) });

  expect(await waiting.catch((error: unknown) => error)).toBe(wrong);
  expect(nowMs()).toBe(0);
});

test("a step whose server has gone since is tried until it succeeds, which is once", async () => {
  const { wait, said } = createWorld();
  const missing = thereAfter(3);
  let done = 0;

  const result = await wait.untilDone("postgres", async () => {
    await missing();
    done += 1;
    return "lock";
  });

  expect([result, done]).toEqual(["lock", 1]);
  expect(said).toEqual([{ missing: "postgres", err: away }, { found: "postgres" }]);
  expect(await wait.readiness()).toEqual({ postgres: true, started: false });
});

test("a step that waiting does not mend ends the start at once", async () => {
  const { wait } = createWorld();
  const wrong = new Error("a pooler in the way");

  const failed = await wait.untilDone("postgres", () => Promise.reject(wrong)).catch((e) => e);

  expect(failed).toBe(wrong);
});
