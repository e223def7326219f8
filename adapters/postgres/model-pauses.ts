import type { OperatorPause } from "../../core/queue/lane.ts";
import type { Database } from "./connect.ts";

/** The models that operators have paused. @throws {Fault} STORE_UNAVAILABLE */
export async function readModelPauses(database: Database): Promise<Map<string, OperatorPause>> {
  const rows = await database.run(
    "read paused models",
    (sql) => sql<{ model: string; paused_by: string; reason: string; paused_at: number }[]>`
      select model, paused_by, reason, paused_at from model_pauses`,
  );
  return new Map(
    rows.map((row) => [row.model, { by: row.paused_by, reason: row.reason, atMs: row.paused_at }]),
  );
}
