import { statusCalls } from "../load/calls.ts";
import { shortBodies } from "../prompts/prompts.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const USERS = 1_000;
const REQUESTS = 4_000;
const QUIET_MS = 60_000;

/** Every request there is, with the key of its user. */
export async function storedRequests({
  stack,
  users,
}: Session): Promise<{ apiKey: string; requestId: string; userId: string }[]> {
  const keys = new Map(users.map(({ userId, apiKey }) => [userId, apiKey]));
  const rows = await stack.books.database.run(
    "list requests",
    (sql) => sql<{ request_id: string; user_id: string }[]>`
      select request_id, user_id
      from requests
      order by request_id`,
  );
  return rows.map(({ request_id: requestId, user_id: userId }) => ({
    requestId,
    userId,
    apiKey: keys.get(userId) ?? "",
  }));
}

export const status: Scenario = {
  name: "status",
  about: "GET /status/{id} of completed requests at a constant 5,000/s",
  inQuick: true,
  needs: ["k6", "wrk"],
  run: (context) =>
    withSession(context, { users: USERS, quietWithinMs: QUIET_MS }, async (session) => {
      await session.unmeasured({
        name: "fill",
        generator: "paced",
        files: session.generate(await shortBodies(500)),
        ratePerSecond: 1_000,
        seconds: REQUESTS / 1_000,
        connections: 64,
        expectStatus: 202,
      });
      await session.stack.books.untilQuiet(QUIET_MS);
      session.stack.restartSamples();
      const files = session.calls(statusCalls(await storedRequests(session)));
      const load = await session.load({
        name: "status at 5,000/s",
        generator: "paced",
        files,
        ratePerSecond: 5_000,
        seconds: context.isQuick ? 6 : 20,
        connections: 256,
        expectStatus: 200,
      });
      session.figure({
        target: "status_p99_ms",
        what: "status at 5,000/s, p99",
        unit: "ms",
        value: load.latencyMs.p99,
      });
      if (load.perSecond < 4_900)
        session.fail(`only ${load.perSecond.toFixed(0)} of 5,000 per second were answered`);
      if (context.isQuick) return;
      await session.load({
        name: "status at 1,000/s, by k6",
        generator: "k6",
        files,
        ratePerSecond: 1_000,
        seconds: 10,
        connections: 50,
        expectStatus: 200,
      });
      const most = await session.load({
        name: "status, 64 connections",
        generator: "wrk",
        files,
        seconds: 8,
        connections: 64,
        expectStatus: 200,
      });
      session.figure({ what: "status per second, most", unit: "req/s", value: most.perSecond });
    }),
};
