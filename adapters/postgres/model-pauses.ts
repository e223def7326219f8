import type { OperatorPause } from "../../core/queue/lane.ts";
import type { Database } from "./connect.ts";
import { type Act, noteChanges } from "./operator-actions.ts";

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
 * Pauses a model, until it is resumed, and notes it. One that is paused already stays paused since then, for
 * the new reason. Returns the pause that there was.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function pauseModel(
  database: Database,
  model: string,
  act: { actor: string; reason: string },
): Promise<OperatorPause | undefined> {
  const [before] = await database.run(
    "pause a model",
    (sql) => sql<PauseRow[]>`
      with before as (
        select model, paused_by, reason, paused_at from model_pauses where model = ${model} for update
      ),
      paused as (
        insert into model_pauses as p (model, paused_by, reason)
        select ${model}, ${act.actor}, ${act.reason}
        from (select count(*) from before) as locked
        on conflict (model) do update
        set
          paused_by = excluded.paused_by,
          reason = excluded.reason
        returning p.model, p.paused_by, p.reason, p.paused_at
      ),
      noted as (${noteChanges(
        sql,
        act,
        "model.pause",
        sql`
          select
            p.model as target, '{}'::jsonb as detail, to_jsonb(b) - 'model' as before,
            to_jsonb(p) - 'model' as after
          from paused p
          left join before b using (model)`,
      )})
      select paused_by, reason, paused_at from before`,
  );
  return before && pauseOf(before);
}

/**
 * Ends an operator's pause and notes it. Returns the pause that there was; undefined: there was none, and
 * nothing is noted.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function resumeModel(
  database: Database,
  model: string,
  act: Act,
): Promise<OperatorPause | undefined> {
  const [before] = await database.run(
    "resume a model",
    (sql) => sql<PauseRow[]>`
      with resumed as (
        delete from model_pauses
        where model = ${model}
        returning model, paused_by, reason, paused_at
      ),
      noted as (${noteChanges(
        sql,
        act,
        "model.resume",
        sql`
          select model as target, '{}'::jsonb as detail, to_jsonb(r) - 'model' as before, null::jsonb as after
          from resumed r`,
      )})
      select paused_by, reason, paused_at from resumed`,
  );
  return before && pauseOf(before);
}
