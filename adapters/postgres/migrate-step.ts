import { withoutPassword } from "../state/server-urls.ts";
import { CommandFailure, describeError } from "../terminal/failure.ts";
import type { Progress } from "../terminal/progress.ts";
import type { PostgresServer } from "./open-client.ts";
import { prepareDatabase } from "./prepare.ts";

/**
 * Brings the schema of the database up to date, says so, and returns what it applied.
 *
 * @throws {CommandFailure} when it cannot
 */
export async function migrateStep(server: PostgresServer, progress: Progress): Promise<string[]> {
  const { applied } = await progress.step("database schema", async () => {
    try {
      const names = await prepareDatabase(server);
      return { applied: names, detail: names.length === 0 ? "up to date" : names.join(", ") };
    } catch (error) {
      throw new CommandFailure(
        `the database ${withoutPassword(server.url)} could not be migrated: ${describeError(error)}`,
        { cause: error },
      );
    }
  });
  return applied;
}
