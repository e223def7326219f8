import { Fault } from "../../core/faults.ts";
import { withoutPassword } from "../state/server-urls.ts";
import { CommandFailure, describeError, EXIT } from "../terminal/failure.ts";
import type { Progress } from "../terminal/progress.ts";
import { connectPostgres, type Database } from "./connect.ts";
import type { PostgresServer } from "./open-client.ts";

const LOOK_MS = 2_000;
const PAUSE_MS = 500;

/**
 * Waits until PostgreSQL answers, and says so.
 *
 * @throws {CommandFailure} when it does not within the limit, with the last reason
 */
export async function waitStep(
  server: PostgresServer,
  limitMs: number,
  progress: Progress,
): Promise<void> {
  const database = connectPostgres({
    ...server,
    poolMax: 1,
    statementTimeoutMs: LOOK_MS,
    deadlineMs: LOOK_MS,
    name: "tollgate-wait",
  });
  try {
    await progress.step("PostgreSQL answers", async () => {
      await untilAnswer(database, limitMs).catch((error: unknown) => {
        const place = withoutPassword(server.url);
        const why = describeError(error instanceof Fault ? (error.cause ?? error) : error);
        throw new CommandFailure(
          `PostgreSQL at ${place} was not there within ${limitMs / 1_000} s: ${why}`,
          { exitCode: EXIT.unreachable, cause: error },
        );
      });
      return {};
    });
  } finally {
    await database.close(0);
  }
}

/** @throws the last refusal */
async function untilAnswer({ ping }: Database, limitMs: number): Promise<void> {
  const deadlineMs = Date.now() + limitMs;
  for (;;) {
    try {
      await ping();
      return;
    } catch (error) {
      if (!(error instanceof Fault) || Date.now() + PAUSE_MS > deadlineMs) throw error;
      await Bun.sleep(PAUSE_MS);
    }
  }
}
