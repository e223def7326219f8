import { untilTrue } from "../stack/eventually.ts";
import type { Stack } from "../stack/stack.ts";
import type { Scene } from "./scenarios.ts";

const LIMIT_MS = 20_000;
/** More than what may still come from before. */
const MORE = 50;

export async function countCompleted({ books }: Stack): Promise<number> {
  const [{ count }] = await books.database.run(
    "count the completed requests",
    (sql) => sql<[{ count: number }]>`
      select count(*)::integer as count from requests where status = 'completed'`,
  );
  return count;
}

/** Requests that are accepted and not confirmed by the broker, as far as the gateways have noted. */
export async function countUnconfirmed({ books }: Stack): Promise<number> {
  const [{ count }] = await books.database.run(
    "read the outboxes",
    (sql) => sql<[{ count: number }]>`
      select coalesce(sum(unconfirmed), 0)::integer as count from publishers`,
  );
  return count;
}

/** Acceptance must go on, or come back, by itself. */
export async function untilAccepting({ load }: Scene): Promise<void> {
  const before = load.counts().acknowledged;
  await untilTrue(
    "requests are accepted",
    LIMIT_MS,
    () => load.counts().acknowledged > before + MORE,
  );
}

/** The same of the whole way to a result. */
export async function untilCompleting({ stack }: Scene): Promise<void> {
  const before = await countCompleted(stack);
  await untilTrue(
    "requests are completed",
    LIMIT_MS,
    async () => (await countCompleted(stack)) > before + MORE,
  );
}
