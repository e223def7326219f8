import type { OperatorPause } from "../../core/queue/lane.ts";
import type { Database } from "./connect.ts";

interface PauseRow {
  paused_by: string;
  reason: string;
  paused_at: number;
}

const pauseOf = (row: PauseRow): OperatorPause => ({
  by: row.paused_by,
  reason: row.reason,
  atMs: row.paused_at,
});

/** The models that operators have paused. @throws {Fault} STORE_UNAVAILABLE */
export async function readModelPauses(database: Database): Promise<Map<string, OperatorPause>> {
  const rows = await database.run(
    "read paused models",
    (sql) => sql<(PauseRow & { model: string })[]>`
      select model, paused_by, reason, paused_at from model_pauses`,
  );
  return new Map(rows.map((row) => [row.model, pauseOf(row)]));
}

/**
 * Pauses a model, until it is resumed, and notes who did it, in one transaction. One that is paused already
 * stays paused since then, for the new reason. Returns the pause that there was.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function pauseModel(
  database: Database,
  { model, by, reason }: { model: string; by: string; reason: string },
): Promise<OperatorPause | undefined> {
  const [before] = await database.run(
    "pause a model",
    (sql) => sql<PauseRow[]>`
      with paused as (
        insert into model_pauses (model, paused_by, reason)
        values (${model}, ${by}, ${reason})
        on conflict (model) do update
        set
          paused_by = excluded.paused_by,
          reason = excluded.reason
      ),
      noted as (
        insert into operator_actions (actor, action, target, detail)
        values (${by}, 'model.pause', ${model}, jsonb_build_object('reason', ${reason}::text))
      )
      -- As it was before this statement.
      select paused_by, reason, paused_at from model_pauses where model = ${model}`,
  );
  return before && pauseOf(before);
}

/**
 * Ends an operator's pause and notes who did it, in one transaction. Returns the pause that there was;
 * undefined: there was none, and nothing is noted.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function resumeModel(
  database: Database,
  { model, by }: { model: string; by: string },
): Promise<OperatorPause | undefined> {
  const [before] = await database.run(
    "resume a model",
    (sql) => sql<PauseRow[]>`
      with resumed as (
        delete from model_pauses
        where model = ${model}
        returning paused_by, reason, paused_at
      ),
      noted as (
        insert into operator_actions (actor, action, target, detail)
        select
          ${by}, 'model.resume', ${model},
          jsonb_build_object('paused_by', paused_by, 'reason', reason, 'paused_at', paused_at)
        from resumed
      )
      select paused_by, reason, paused_at from resumed`,
  );
  return before && pauseOf(before);
}
