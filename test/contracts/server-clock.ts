import { afterAll, afterEach, beforeAll, describe, expect, setSystemTime, test } from "bun:test";

import { createServerClock } from "../../adapters/postgres/server-clock.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { silentLog } from "../../runtime/log.ts";

export interface ServerClockSubject extends Pick<Database, "ping"> {
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

/** Milliseconds since the epoch, whatever a test makes this machine's clock show. */
export const trueNow = (): number => performance.timeOrigin + performance.now();

/** What asking a server for its time promises, and the clock that is kept by it; the server's is right. */
export function describeServerClockContract(
  name: string,
  makeSubject: () => Promise<ServerClockSubject>,
): void {
  describe(`the clock of the server: ${name}`, () => {
    let subject: ServerClockSubject;
    beforeAll(async () => {
      subject = await makeSubject();
    });
    afterEach(() => void setSystemTime());
    afterAll(() => subject.stop());

    test("is told apart from a clock of this machine that is right by less than a second", async () => {
      const { aheadMs, roundTripMs } = await subject.ping();

      expect(Math.abs(aheadMs)).toBeLessThan(1_000);
      expect(roundTripMs).toBeWithin(0, 1_000);
    });

    test.each([
      ["behind", -300_000],
      ["ahead", 300_000],
    ])("is followed by a machine whose clock is minutes %s", async (_, offMs) => {
      setSystemTime(new Date(Date.now() + offMs));
      const clock = createServerClock(subject, silentLog);

      await clock.check();

      expect(Math.abs(clock.now() - trueNow())).toBeLessThan(1_000);
    });

    test("goes on as it was while the server is away, which who compares learns", async () => {
      setSystemTime(new Date(Date.now() - 300_000));
      const clock = createServerClock(subject, silentLog);
      await clock.check();
      await subject.setAway(true);

      const failure = await clock.check().catch((error: unknown) => error);
      const offMs = Math.abs(clock.now() - trueNow());
      await subject.setAway(false);

      expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
      expect(offMs).toBeLessThan(1_000);
    });
  });
}
