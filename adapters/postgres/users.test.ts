import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";
import { randomBytes } from "node:crypto";

import {
  addKey,
  findKey,
  findKeys,
  listKeys,
  type NewApiKey,
  revokeKey,
  rotateKey,
} from "./api-keys.ts";
import { isUniqueViolation } from "./errors.ts";
import {
  addUser,
  createMigratedDatabase,
  type MigratedDatabase,
  newUser,
  TEST_ACT,
} from "../../test/support/postgres.ts";
import { HOUR_MS } from "../../test/support/request-samples.ts";
import { findUser, findUserByEmail, foldEmails, listUsers } from "./users.ts";

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

const newKey = (userId: string, overrides: Partial<NewApiKey> = {}): NewApiKey => ({
  keyId: randomUUIDv7(),
  userId,
  keyHash: randomBytes(32),
  prefix: "tg_live_abcd",
  last4: "wxyz",
  name: "laptop",
  expiresAtMs: null,
  models: null,
  routes: null,
  ...overrides,
});

describe("users", () => {
  test("are found by id and by email in any case", async () => {
    const userId = crypto.randomUUID();
    await addUser(server.database, { userId, name: "Grace", email: "Grace@Example.com" });

    const byId = await findUser(server.database, userId);

    expect(byId).toMatchObject({
      userId,
      name: "Grace",
      email: "Grace@Example.com",
      active: true,
      concurrentRequests: null,
    });
    expect(await findUserByEmail(server.database, "grace@example.COM")).toEqual(byId);
    expect(await findUser(server.database, crypto.randomUUID())).toBeUndefined();
  });

  test("cannot share an email", async () => {
    await addUser(server.database, {
      userId: crypto.randomUUID(),
      name: "A",
      email: "one@example.com",
    });

    const failure = await addUser(server.database, {
      userId: crypto.randomUUID(),
      name: "B",
      email: "ONE@example.com",
    }).catch((error: unknown) => error);

    expect(isUniqueViolation(failure)).toBe(true);
  });

  test("cannot share an email in another case or composition, and are found by it", async () => {
    const userId = crypto.randomUUID();
    await addUser(server.database, { userId, name: "A", email: "ünï@bücher.example" });

    for (const email of ["ÜNÏ@BÜCHER.example", "u\u0308ni\u0308@bu\u0308cher.example"]) {
      const other = { userId: crypto.randomUUID(), name: "B", email };
      const failure = await addUser(server.database, other).catch((error: unknown) => error);

      expect(isUniqueViolation(failure)).toBe(true);
      expect(await findUserByEmail(server.database, email)).toMatchObject({ userId });
    }
  });

  test("of an older release are folded once, and those that share an email then stay apart", async () => {
    const { database, drop } = await createMigratedDatabase();
    const [first, second, third] = [
      "ünï@x.example",
      "u\u0308ni\u0308@x.example",
      "Éva@x.example",
    ].map((email) => ({ userId: randomUUIDv7(), name: "Old", email }));
    if (!first || !second || !third) throw new Error("three users");
    for (const { userId, name, email } of [first, second, third])
      await database.run(
        "add a user as an older release does",
        (sql) =>
          sql`insert into users (user_id, name, email) values (${userId}, ${name}, ${email})`,
      );
    const emailsFound = async (emails: readonly string[]) =>
      Promise.all(emails.map(async (email) => (await findUserByEmail(database, email))?.userId));

    const before = await emailsFound([first.email, second.email, third.email]);
    const folded = [await foldEmails(database, 2), await foldEmails(database, 2)];
    const after = await emailsFound([first.email, second.email, "ÉVA@X.EXAMPLE"]);

    const all = [first.userId, second.userId, third.userId];
    expect([before, after]).toEqual([all, all]);
    expect(folded).toEqual([2, 0]);
    const again = { userId: randomUUIDv7(), name: "New", email: "E\u0301va@x.example" };
    const failure = await addUser(database, again).catch((error: unknown) => error);
    expect(isUniqueViolation(failure)).toBe(true);
    await drop();
  });

  test("are listed in pages, each once", async () => {
    const added = await Promise.all(Array.from({ length: 5 }, () => newUser(server.database)));

    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await listUsers(server.database, after, 2);
      seen.push(...page.items.map(({ userId }) => userId));
      after = page.next;
    } while (after !== null);

    expect(new Set(seen).size).toBe(seen.length);
    expect(added.every((userId) => seen.includes(userId))).toBe(true);
  });
});

describe("API keys", () => {
  test("cannot belong to nobody", async () => {
    const key = newKey(crypto.randomUUID());

    expect(await addKey(server.database, key, TEST_ACT)).toBe(false);
    expect(await findKey(server.database, key.keyId)).toBeUndefined();
  });

  test("that are revoked are still listed", async () => {
    const userId = await newUser(server.database);
    const key = newKey(userId);
    await addKey(server.database, key, TEST_ACT);

    const revoked = await revokeKey(server.database, key.keyId, TEST_ACT);

    expect(Buffer.compare(revoked ?? Buffer.alloc(0), key.keyHash)).toBe(0);
    expect(await listKeys(server.database, userId)).toMatchObject([
      { keyId: key.keyId, usable: false },
    ]);
    expect(await revokeKey(server.database, randomUUIDv7(), TEST_ACT)).toBeUndefined();
  });

  test("are rotated: the successor works at once, the old one for the overlap and not longer", async () => {
    const userId = await newUser(server.database);
    const [old, successor] = [newKey(userId), newKey(userId, { name: "laptop 2" })];
    await addKey(server.database, old, TEST_ACT);

    const order = { keyId: old.keyId, overlapMs: HOUR_MS, successor };
    const rotated = await rotateKey(server.database, order, TEST_ACT);

    expect(rotated?.userId).toBe(userId);
    const [oldOwner, newOwner] = await findKeys(server.database, [old.keyHash, successor.keyHash]);
    expect(newOwner).toMatchObject({ keyId: successor.keyId, userId, expiresAtMs: null });
    expect(Math.abs((oldOwner?.expiresAtMs ?? 0) - Date.now() - HOUR_MS)).toBeLessThan(60_000);
  });

  test("remember the life they were made for, however often they are rotated", async () => {
    const userId = await newUser(server.database);
    const expiresAtMs = Date.now() + 90 * 24 * HOUR_MS;
    const [expiring, lasting] = [newKey(userId, { expiresAtMs }), newKey(userId)];

    for (const key of [expiring, lasting]) {
      await addKey(server.database, key, TEST_ACT);
      for (const overlapMs of [HOUR_MS, HOUR_MS / 2])
        await rotateKey(
          server.database,
          { keyId: key.keyId, overlapMs, successor: newKey(userId) },
          TEST_ACT,
        );
      const found = await findKey(server.database, key.keyId);

      expect(found?.meantExpiresAtMs).toBe(key.expiresAtMs);
      expect(found?.expiresAtMs).toBeLessThan(Date.now() + HOUR_MS);
    }
  });

  test("that are revoked cannot be rotated into usable ones", async () => {
    const userId = await newUser(server.database);
    const [old, successor] = [newKey(userId), newKey(userId)];
    await addKey(server.database, old, TEST_ACT);
    await revokeKey(server.database, old.keyId, TEST_ACT);

    const rotated = await rotateKey(
      server.database,
      { keyId: old.keyId, overlapMs: 0, successor },
      TEST_ACT,
    );

    expect(rotated).toBeUndefined();
    expect(await findKeys(server.database, [successor.keyHash])).toEqual([undefined]);
  });
});
