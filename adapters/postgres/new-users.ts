import { foldEmail } from "../../core/email.ts";
import { WINDOW_KINDS } from "../../core/quota/windows.ts";
import type { KeyScopes } from "../../core/key-record.ts";
import type { NewApiKey } from "./api-keys.ts";
import { bytesArray, numberArray, textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";
import { type Act, noteChanges } from "./operator-actions.ts";

export interface NewUser {
  userId: string;
  name: string;
  email: string;
  /** Of all windows. */
  tier: string;
  /** For everything; null: none yet. */
  key: Omit<NewApiKey, "userId" | keyof KeyScopes> | null;
}

/**
 * Adds users with their quotas and first keys, all or nobody, and notes each. Names and emails are not noted:
 * notes outlive a user.
 *
 * @throws a data fault (`isUniqueViolation`) if an id is taken, or an email in any spelling of it
 * (`foldEmail`)
 */
export async function addUsers(
  database: Database,
  users: readonly NewUser[],
  act: Act,
): Promise<void> {
  const texts = (of: (user: NewUser) => string | null) => textArray(users.map(of));
  await database.run(
    "add users",
    (sql) => sql`
      with given as (
        select *
        from unnest(
          ${texts(({ userId }) => userId)}::uuid[],
          ${texts(({ name }) => name)}::text[],
          ${texts(({ email }) => email)}::text[],
          ${texts(({ email }) => foldEmail(email))}::text[],
          ${texts(({ tier }) => tier)}::text[],
          ${texts(({ key }) => key?.keyId ?? null)}::uuid[],
          ${bytesArray(users.map(({ key }) => key?.keyHash ?? null))}::bytea[],
          ${texts(({ key }) => key?.prefix ?? null)}::text[],
          ${texts(({ key }) => key?.last4 ?? null)}::text[],
          ${texts(({ key }) => key?.name ?? null)}::text[],
          ${numberArray(users.map(({ key }) => key?.expiresAtMs ?? null))}::float8[]
        ) with ordinality as t (
          user_id, name, email, email_folded, tier,
          key_id, key_hash, prefix, last4, key_name, expires_at_ms, position
        )
      ),
      added as (
        insert into users (user_id, name, email, email_folded)
        select user_id, name, email, email_folded from given
        order by position
      ),
      limited as (
        insert into quotas (user_id, tier, reset_frequency)
        select user_id, tier, window_kind
        from given
        cross join unnest(${textArray(WINDOW_KINDS)}::text[]) as window_kind
      ),
      keyed as (
        insert into api_keys (key_id, user_id, key_hash, prefix, last4, name, expires_at)
        select key_id, user_id, key_hash, prefix, last4, key_name, to_timestamp(expires_at_ms / 1000)
        from given
        where key_id is not null
      ),
      noted as (${noteChanges(
        sql,
        act,
        "user.add",
        sql`
          select
            user_id as target, '{}'::jsonb as detail, null::jsonb as before,
            jsonb_build_object('tier', tier) || case
              when key_id is null then '{}'
              else jsonb_build_object('key_id', key_id, 'prefix', prefix, 'last4', last4)
            end as after
          from given
          order by position`,
      )})
      select`,
  );
}
