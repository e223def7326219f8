import type { KeyChanges } from "../../core/key-record.ts";
import type { Database } from "./connect.ts";

interface ChangeRow {
  horizon: string;
  change_id: number | null;
  key_hash: Buffer | null;
}

/**
 * Which keys changed since the reading that returned `horizon`, at most `limit`; some of them may be told
 * again. null: within the last `sinceMs`.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function readKeyChanges(
  database: Database,
  { horizon, sinceMs, limit }: { horizon: string | null; sinceMs: number; limit: number },
): Promise<KeyChanges> {
  const rows = await database.run(
    "read changes of keys",
    (sql) => sql<ChangeRow[]>`
      select h.horizon, c.change_id, c.key_hash
      from (select pg_snapshot_xmin(pg_current_snapshot())::text as horizon) h
      left join (
        select change_id, key_hash
        from key_changes
        where ${
          horizon === null
            ? sql`changed_at > now() - make_interval(secs => ${sinceMs / 1_000}::float8)`
            : sql`xact >= ${horizon}::xid8`
        }
        limit ${limit}
      ) c on true`,
  );
  return {
    horizon: rows[0]?.horizon ?? "0",
    changes: rows.flatMap(({ change_id: changeId, key_hash: keyHash }) =>
      changeId === null || keyHash === null
        ? []
        : [{ changeId, keyHash: keyHash.toString("base64url") }],
    ),
  };
}
