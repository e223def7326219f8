import { callOnce, fillUsers, loadUsers, pickCallers } from "../growth/fill-users.ts";
import { measureCost } from "../growth/cost.ts";
import {
  describeCommands,
  redisBytes,
  redisCommands,
  untilRedisRests,
} from "../growth/redis-load.ts";
import { postgresSize, withFiller } from "../growth/servers.ts";
import { bendsOf, type GrowthRow, growthTable } from "../growth/table.ts";
import { generateCalls } from "../load/calls.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { seedKeys } from "../stack/users.ts";
import type { Scenario } from "./scenario.ts";
import { type Session, withSession } from "./session.ts";

const SIZES = [10, 1_000, 100_000, 1_000_000];
const SIZES_QUICK = [10, 1_000, 100_000];
const RATE = 1_000;
const SECONDS = 10;
const QUIET_MS = 120_000;
const TABLES = ["users", "quotas", "api_keys"];

type Say = (text: string) => void;

/** Users `from` to `to` come to be, most of them known to Redis as well; then calls of users who were never seen, and the same again. */
async function growTo(
  session: Session,
  from: number,
  to: number,
  say: Say,
): Promise<{ first: GrowthRow; again: GrowthRow }> {
  const callers = pickCallers(to, RATE * SECONDS);
  await withFiller(session, (database) =>
    fillUsers(database, { from, to }, (share) => say(`users in PostgreSQL: ${share}`)),
  );
  await seedKeys(session.stack.books.database, session.stack.config.secrets.key_pepper, callers);
  const size = to.toLocaleString("en");
  const files = session.calls(generateCalls(callers, await shortBodies(500)));
  const wish = {
    generator: "paced",
    files,
    ratePerSecond: RATE,
    seconds: SECONDS,
    connections: 128,
    expectStatus: 202,
  } as const;
  const firstCost = await measureCost(session, {
    ...wish,
    name: `${size} users, first call of each`,
  });

  // Where first calls did not keep up with the rate, some are still unknown.
  await callOnce(session, { files, users: callers.length });

  const before = await redisBytes(session);
  const loaded = await loadUsers(session, { from, to }, (share) => say(`users in Redis: ${share}`));
  const bytesPerUser = (await redisBytes(session)) - before;
  const wanted = to - from - callers.length;
  if (loaded < wanted / 2)
    session.note(`of ${wanted} users who had not called Redis came to know ${loaded}`);
  const { heap, indexes } = await postgresSize(session, TABLES);
  await untilRedisRests(session);
  const commands = await redisCommands(session);
  const cost = await measureCost(session, { ...wish, name: `${size} users, again` });
  const took = describeCommands(commands, await redisCommands(session), RATE * SECONDS);
  session.note(`Redis with ${size} users, again: ${took}`);
  return {
    first: { size, cost: firstCost },
    again: {
      size,
      cost,
      extra: {
        "PostgreSQL, bytes per user": (heap + indexes) / to,
        ...(loaded > 0 ? { "Redis, bytes per user": bytesPerUser / loaded } : {}),
      },
    },
  };
}

export const growthUsers: Scenario = {
  name: "growth-users",
  about:
    "10 to 1,000,000 users (100,000 with --quick), everything on at 1,000/s: calls of users never seen before, then of the same again",
  inQuick: true,
  onlyWith: "growth",
  run: (context) =>
    withSession(context, { users: 0, quietWithinMs: QUIET_MS }, async (session) => {
      const first: GrowthRow[] = [];
      const again: GrowthRow[] = [];
      let from = 0;
      for (const to of context.isQuick ? SIZES_QUICK : SIZES) {
        const rows = await growTo(session, from, to, (text) =>
          context.progress.say(`    ${to.toLocaleString("en")} ${text}`),
        );
        first.push(rows.first);
        again.push(rows.again);
        from = to;
      }
      session.table(growthTable("First calls of users, by how many there are", "users", first));
      session.table(
        growthTable("Calls of users who called before, by how many there are", "users", again),
      );
      for (const bend of bendsOf(first)) session.note(`first calls: ${bend}`);
      for (const bend of bendsOf(again)) session.note(`later calls: ${bend}`);
    }),
};
