import { type Static, Type } from "@sinclair/typebox";

/** What authentication needs to know of an API key; a schema, because it is read back from a cache. */
export const KeyRecord = Type.Object({
  keyId: Type.String(),
  userId: Type.String(),
  userActive: Type.Boolean(),
  /** Of the user's daily window; null: the default tier. */
  tier: Type.Union([Type.String(), Type.Null()]),
  /** From then on the key is not usable, and it may be past already; null: it does not expire. */
  expiresAtMs: Type.Union([Type.Number(), Type.Null()]),
});
export type KeyRecord = Static<typeof KeyRecord>;

/** Keys that changed lately. */
export interface KeyChanges {
  /** Where the next reading goes on; a number that grows, unless the store was set back. */
  horizon: string;
  changes: readonly { changeId: number; keyHash: string }[];
}
