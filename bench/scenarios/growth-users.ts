import { callOnce, fillUsers, loadUsers, pickCallers } from "../growth/fill-users.ts";
import { grow, type Measurement, type Step } from "../growth/grow.ts";
import {
  describeCommands,
  redisBytes,
  redisCommands,
  untilRedisRests,
} from "../growth/redis-load.ts";
import { generateCalls } from "../load/calls.ts";
import type { Scenario } from "../measure/bench.ts";
import { measureCost } from "../measure/cost.ts";
import { postgresSize, withFiller } from "../measure/postgres.ts";
import { onStack, type Session } from "../measure/session.ts";
import { shortBodies } from "../prompts/prompts.ts";
import { insertKeys } from "../measure/users.ts";

const SIZES = [10, 1_000, 100_000, 1_000_000];
const SIZES_QUICK = [10, 1_000, 100_000];
const RATE = 1_000;
const SECONDS = 10;
const PACE = { ratePerSecond: RATE, seconds: SECONDS, connections: 128 };
const TITLES = {
  "first calls": "First calls of users, by how many there are",
  "later calls": "Calls of users who called before, by how many there are",
};

/** Users come to be, most of them known to Redis too; then users call who were never seen, and call again. */
async function growTo(
  session: Session,
  { from, to, size, say }: Step,
): Promise<Record<keyof typeof TITLES, Measurement>> {
  const callers = pickCallers(to, RATE * SECONDS);
  const inPostgres = { from, to, say: (share: string) => say(`in PostgreSQL: ${share}`) };
  await withFiller(session, (database) => fillUsers(database, inPostgres));
  await insertKeys(session.stack.books.database, session.stack.config.secrets.key_pepper, callers);
  const files = session.calls(generateCalls(callers, await shortBodies(500)));
  const first = await measureCost(session, `${size} users, first call of each`, files, PACE);

  // Where first calls did not keep up with the rate, some are still unknown.
  await callOnce(session, files, callers.length);

  const before = await redisBytes(session);
  const inRedis = { from, to, say: (share: string) => say(`in Redis: ${share}`) };
  const loaded = await loadUsers(session, inRedis);
  const bytesPerUser = ((await redisBytes(session)) - before) / loaded;
  const wanted = to - from - callers.length;
  if (loaded < wanted / 2)
    session.note(`of ${wanted} users who had not called Redis came to know ${loaded}`);
  const { heap, indexes } = await postgresSize(session, ["users", "quotas", "api_keys"]);
  await untilRedisRests(session);
  const commands = await redisCommands(session);
  const again = await measureCost(session, `${size} users, again`, files, PACE);
  const took = describeCommands(commands, await redisCommands(session), RATE * SECONDS);
  session.note(`Redis with ${size} users, again: ${took}`);
  const extra = {
    "PostgreSQL, bytes per user": (heap + indexes) / to,
    ...(loaded > 0 ? { "Redis, bytes per user": bytesPerUser } : {}),
  };
  return { "first calls": { cost: first }, "later calls": { cost: again, extra } };
}

export const growthUsers: Scenario = {
  name: "growth-users",
  about: "10 to 1,000,000 users, everything on at 1,000/s: their first calls, then the same again",
  part: "growth",
  run: onStack({ users: 0, quietWithinMs: 120_000 }, (session) =>
    grow(session, "users", TITLES, session.isQuick ? SIZES_QUICK : SIZES, (step) =>
      growTo(session, step),
    ),
  ),
};
