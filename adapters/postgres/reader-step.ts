import { CommandFailure, describeError } from "../terminal/failure.ts";
import type { Progress } from "../terminal/progress.ts";
import type { PostgresServer } from "./open-client.ts";
import { grantReader, type Reader } from "./reader.ts";

/**
 * Lets a role read what the dashboards show, and says so.
 *
 * @throws {CommandFailure} when it cannot
 */
export async function readerStep(
  server: PostgresServer,
  reader: Reader,
  progress: Progress,
): Promise<void> {
  await progress.step("role of a reader", async () => {
    try {
      await grantReader(server, reader);
      return { detail: reader.role };
    } catch (error) {
      const why = describeError((error as Error).cause ?? error);
      throw new CommandFailure(`the role ${reader.role} could not be made a reader: ${why}`, {
        cause: error,
      });
    }
  });
}
