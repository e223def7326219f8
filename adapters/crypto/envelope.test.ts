import { describe, expect, test } from "bun:test";

import { createSealer, generateEncryptionKey, UnreadableRecord } from "./envelope.ts";

const OWNER = {
  userId: "0190f0c0-0000-7000-8000-00000000000a",
  requestId: "0190f0c0-0000-7000-8000-000000000001",
};
const OLD = generateEncryptionKey("old");
const NEW = generateEncryptionKey("new");
const text = Buffer.from("canary prompt ☂");

describe("a sealed record", () => {
  const sealer = createSealer(NEW);
  const record = sealer.seal(text, OWNER, "prompt");

  test("opens to what was sealed, also from within a larger buffer", () => {
    const message = Buffer.concat([Buffer.from("before"), record, Buffer.from("after")]);

    expect(sealer.open(record, OWNER, "prompt")).toEqual(text);
    expect(sealer.open(message.subarray(6, 6 + record.length), OWNER, "prompt")).toEqual(text);
    expect(
      sealer.open(sealer.seal(new Uint8Array(), OWNER, "result"), OWNER, "result").length,
    ).toBe(0);
  });

  test("shows nothing of the content and is never the same twice", () => {
    expect(record.includes("canary")).toBe(false);
    expect(sealer.seal(text, OWNER, "prompt")).not.toEqual(record);
  });

  test("does not open for another user, request or field", () => {
    const other = "0190f0c0-0000-7000-8000-000000000002";

    expect(() => sealer.open(record, { ...OWNER, userId: other }, "prompt")).toThrow(
      UnreadableRecord,
    );
    expect(() => sealer.open(record, { ...OWNER, requestId: other }, "prompt")).toThrow(
      UnreadableRecord,
    );
    expect(() => sealer.open(record, OWNER, "result")).toThrow(UnreadableRecord);
  });

  test("does not open when any byte was changed or is missing", () => {
    for (let i = 0; i < record.length; i++) {
      const changed = Buffer.from(record);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(() => sealer.open(changed, OWNER, "prompt")).toThrow(UnreadableRecord);
      expect(() => sealer.open(record.subarray(0, i), OWNER, "prompt")).toThrow(UnreadableRecord);
    }
  });
});

describe("rotating the key", () => {
  test("seals with the first key and opens what an older one sealed", () => {
    const before = createSealer(OLD);
    const after = createSealer(`${NEW},${OLD}`);

    expect(after.open(before.seal(text, OWNER, "prompt"), OWNER, "prompt")).toEqual(text);
    expect(createSealer(NEW).open(after.seal(text, OWNER, "prompt"), OWNER, "prompt")).toEqual(
      text,
    );
  });

  test("a key retired too early makes its records unreadable, and says so", () => {
    const record = createSealer(OLD).seal(text, OWNER, "prompt");

    expect(() => createSealer(NEW).open(record, OWNER, "prompt")).toThrow("not configured");
  });

  test("another key under the same id does not open", () => {
    const record = createSealer(OLD).seal(text, OWNER, "prompt");

    expect(() => createSealer(generateEncryptionKey("old")).open(record, OWNER, "prompt")).toThrow(
      UnreadableRecord,
    );
  });
});

test.each([
  ["", "id:base64"],
  ["k1", "id:base64"],
  ["k1:AAAA", "k1 must be 32 bytes"],
  [`${OLD},${OLD}`, "old is given twice"],
])("unusable keys are refused without being shown: %#", (keys, message) => {
  expect(() => createSealer(keys)).toThrow(message);
});
