import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";

import type { KeeperLock } from "../../collector/ports.ts";

export interface KeeperLockSubject {
  /** A lock as a new collector sees it; each name once. */
  lockOf: (name: string, onLost: () => void) => Promise<KeeperLock>;
  /** The server ends the session of a holder. */
  killSession: (name: string) => Promise<void>;
  /** The server does not answer this collector any more, and does not notice. */
  cutOff: (name: string) => void;
  /** Lets time pass until it is true; throws when that takes long. */
  until: (isTrue: () => boolean | Promise<boolean>) => Promise<void>;
  stop: () => Promise<void>;
}

/** What the lock that makes one of several collectors the keeper promises. */
export function describeKeeperLockContract(
  name: string,
  makeSubject: () => Promise<KeeperLockSubject>,
): void {
  describe(`the lock of the keeper: ${name}`, () => {
    let subject: KeeperLockSubject;
    let locks: KeeperLock[] = [];
    beforeAll(async () => {
      subject = await makeSubject();
    });
    afterEach(async () => {
      await Promise.all(locks.map((lock) => lock.release()));
      locks = [];
    });
    afterAll(() => subject.stop());

    async function newLock() {
      const lockName = `keeper-${crypto.randomUUID()}`;
      let losses = 0;
      const lock = await subject.lockOf(lockName, () => {
        losses += 1;
      });
      locks.push(lock);
      return { name: lockName, lock, losses: () => losses };
    }

    test("one of many is the keeper, confirms it at will, and hands over by releasing", async () => {
      const [a, b] = [await newLock(), await newLock()];

      const first = [await a.lock.tryAcquire(), await b.lock.tryAcquire()];
      const confirmed = [await a.lock.tryAcquire(), a.lock.isOurs(), b.lock.isOurs()];
      await a.lock.release();
      const released = a.lock.isOurs();
      await subject.until(b.lock.tryAcquire);

      expect(first).toEqual([true, false]);
      expect(confirmed).toEqual([true, true, false]);
      expect([released, b.lock.isOurs(), a.losses()]).toEqual([false, true, 0]);
    });

    test("a keeper whose session ends learns of it at once, and another takes over", async () => {
      const [a, b] = [await newLock(), await newLock()];
      await subject.until(a.lock.tryAcquire);

      await subject.killSession(a.name);
      await subject.until(() => a.losses() === 1);
      const held = a.lock.isOurs();
      await subject.until(b.lock.tryAcquire);

      expect(held).toBe(false);
      expect([b.lock.isOurs(), await a.lock.tryAcquire(), a.losses()]).toEqual([true, false, 1]);
    });

    test("a keeper that is silent loses the lock to another, and knows it", async () => {
      const [a, b] = [await newLock(), await newLock()];
      await subject.until(a.lock.tryAcquire);

      await subject.until(b.lock.tryAcquire);

      expect([a.lock.isOurs(), b.lock.isOurs()]).toEqual([false, true]);
    });

    test("a keeper that is cut off gives up before the server gives the lock to another", async () => {
      const [a, b] = [await newLock(), await newLock()];
      await subject.until(a.lock.tryAcquire);
      subject.cutOff(a.name);

      const confirmed = await a.lock.tryAcquire();
      const early = [a.lock.isOurs(), a.losses(), await b.lock.tryAcquire()];
      await subject.until(b.lock.tryAcquire);

      expect(confirmed).toBe(false);
      expect(early).toEqual([false, 1, false]);
    });

    test("a server that does not answer makes nobody the keeper", async () => {
      const a = await newLock();
      subject.cutOff(a.name);

      expect([await a.lock.tryAcquire(), a.lock.isOurs(), a.losses()]).toEqual([false, false, 0]);
    });
  });
}
