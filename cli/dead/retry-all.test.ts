import { describe, expect, test } from "bun:test";

import { encodeDeadRequest } from "../../adapters/amqp/messages.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { requestOf } from "../../test/support/message-samples.ts";
import { type DeadLetter, readLetter } from "./dead-letters.ts";
import { fitsFilter } from "./letter-filter.ts";
import { createRetryAll, describeRetried } from "./retry-all.ts";
import { type Retried, retryLetter, type RetryPorts } from "./retry-letter.ts";

const BOX = { signatures: { refusalOf: () => undefined } };
const HOUR_MS = 3_600_000;

function letterOf(userId: string, more: { model?: string; createdAtMs?: number } = {}): DeadLetter {
  const request = requestOf(10);
  const head = { ...request.head, userId, ...more };
  return readLetter(
    BOX,
    "requests",
    encodeDeadRequest({ ...request, head }, { code: "UPSTREAM_TIMEOUT", message: "late" }),
  );
}

const foreign = (): DeadLetter =>
  readLetter(BOX, "results", {
    body: new Uint8Array(1),
    messageId: undefined,
    type: "x",
    headers: {},
  });

describe("which letters are meant", () => {
  const letter = letterOf("ada", { model: "fast", createdAtMs: 5 * HOUR_MS });

  test.each([
    ["all", {}, true],
    ["its user", { userId: "ada" }, true],
    ["another user", { userId: "bob" }, false],
    ["its model", { model: "fast" }, true],
    ["another model", { model: "slow" }, false],
    ["its code", { code: "UPSTREAM_TIMEOUT" }, true],
    ["another code", { code: "WORKER_CRASHED" }, false],
    ["older ones", { acceptedBeforeMs: 6 * HOUR_MS }, true],
    ["still older ones", { acceptedBeforeMs: 5 * HOUR_MS }, false],
    ["its user and another model", { userId: "ada", model: "slow" }, false],
  ])("%s", (_name, filter, fits) => {
    expect(fitsFilter(letter, filter)).toBe(fits);
  });

  test("one that cannot be read is of nobody", () => {
    expect([{}, { userId: "ada" }].map((filter) => fitsFilter(foreign(), filter))).toEqual([
      true,
      false,
    ]);
  });
});

describe("retrying many", () => {
  const quota: Retried = {
    kind: "refused",
    failure: new CommandFailure("no tokens left", { exitCode: EXIT.refused }),
    isQuota: true,
  };

  test("takes what was retried, keeps the rest, and says what became of each", async () => {
    const letters = [letterOf("ada"), letterOf("bob"), letterOf("eve"), foreign()];
    const replies: Retried[] = [
      { kind: "new", newId: "n1" },
      { kind: "same" },
      quota,
      { kind: "impossible", reason: "it cannot be read" },
    ];
    const tried: number[] = [];
    const { sift, outcome } = createRetryAll(
      {},
      async () => replies.shift() ?? { kind: "same" },
      (count) => tried.push(count),
    );

    const sifted = [];
    for (const letter of letters) sifted.push(await sift(letter));

    expect(sifted).toEqual(["take", "take", "leave", "leave"]);
    expect(outcome).toEqual({
      renewed: [{ from: letters[0]?.id ?? "", to: "n1" }],
      resumed: [letters[1]?.id ?? ""],
      refused: [{ id: letters[2]?.id ?? "", reason: "no tokens left" }],
      impossible: [{ id: null, reason: "it cannot be read" }],
    });
    expect(tried).toEqual([1, 2, 3, 4]);
    expect(describeRetried(outcome)).toContain("1 × no tokens left");
  });

  test("leaves alone what does not fit", async () => {
    const { sift, outcome } = createRetryAll({ userId: "bob" }, never, () => {});

    expect(await sift(letterOf("ada"))).toBe("leave");
    expect(outcome.renewed).toEqual([]);
  });

  test("tries a letter once, and its copies go with it", async () => {
    const letter = letterOf("ada");
    let tries = 0;
    const { sift } = createRetryAll(
      {},
      async () => {
        tries += 1;
        return { kind: "same" };
      },
      () => {},
    );

    expect([await sift(letter), await sift(letter)]).toEqual(["take", "take"]);
    expect(tries).toBe(1);
  });

  test("does not ask again for a user whose quota is used up", async () => {
    let asked = 0;
    const { sift, outcome } = createRetryAll(
      {},
      async (): Promise<Retried> => {
        asked += 1;
        return quota;
      },
      () => {},
    );

    for (const letter of [letterOf("ada"), letterOf("ada"), letterOf("bob")]) await sift(letter);

    expect(asked).toBe(2);
    expect(outcome.refused).toHaveLength(3);
  });
});

describe("retrying one", () => {
  const portsOf = (state: "queued" | "failed", over: Partial<RetryPorts> = {}) => {
    const done: string[] = [];
    const ports: RetryPorts = {
      standing: async () => ({ state, billedTokens: null, failedExecutions: 0 }),
      giveBack: async ({ attempt }) => void done.push(`parked for attempt ${attempt}`),
      giveBackResult: never,
      send: async () => {
        done.push("sent");
        return { kind: "accepted", accepted: { request_id: "n1" } };
      },
      note: async (_target, detail) => void done.push(`noted ${JSON.stringify(detail)}`),
      ...over,
    };
    return { ports, done };
  };

  test("goes on under its id while its request is open, and is noted", async () => {
    const { ports, done } = portsOf("queued");

    expect(await retryLetter(ports, letterOf("ada"), undefined)).toEqual({ kind: "same" });
    expect(done).toEqual(["parked for attempt 1", 'noted {"under":"the same id"}']);
  });

  test("is a new request when its own has ended, and is noted", async () => {
    const { ports, done } = portsOf("failed");

    expect(await retryLetter(ports, letterOf("ada"), undefined)).toEqual({
      kind: "new",
      newId: "n1",
    });
    expect(done).toEqual(["sent", 'noted {"under":"n1"}']);
  });

  test("is kept when the gateway refuses it, and a gateway that cannot work ends it all", async () => {
    const refusal = (status: number) => ({
      kind: "refused" as const,
      status,
      problem: { title: "t", code: "C", detail: "d" },
      retryAfter: null,
    });
    const refusing = (status: number) =>
      portsOf("failed", { send: async () => refusal(status) }).ports;

    expect(await retryLetter(refusing(429), letterOf("a"), undefined)).toMatchObject({
      kind: "refused",
      isQuota: true,
    });
    expect(await retryLetter(refusing(422), letterOf("a"), undefined)).toMatchObject({
      kind: "refused",
      isQuota: false,
    });
    const away = retryLetter(refusing(503), letterOf("a"), undefined);
    expect(await away.catch((error: CommandFailure) => error.exitCode)).toBe(EXIT.unreachable);
  });
});

function never(): never {
  throw new Error("nobody should ask");
}
