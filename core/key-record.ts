import { type Static, Type } from "@sinclair/typebox";

/** What a key may be used for. */
export const KEY_ROUTES = ["submit", "read", "cancel"] as const;
export type KeyRoute = (typeof KEY_ROUTES)[number];
const KeyRoute = Type.Union(KEY_ROUTES.map((route) => Type.Literal(route)));

/** What a key is limited to; null: to what its user may. */
export interface KeyScopes {
  models: string[] | null;
  routes: KeyRoute[] | null;
}

/** What authentication needs to know of an API key; a schema, because it is read back from a cache. */
export const KeyRecord = Type.Object({
  keyId: Type.String(),
  userId: Type.String(),
  userActive: Type.Boolean(),
  /** Of the user's daily window; null: the default tier. */
  tier: Type.Union([Type.String(), Type.Null()]),
  /** From then on the key is not usable, and it may be past already; null: it does not expire. */
  expiresAtMs: Type.Union([Type.Number(), Type.Null()]),
  /**
   * Models that it may make requests of, and what it may do; null: all. Records of a release without scopes
   * lack them, and must not fit: the key may have some.
   */
  models: Type.Union([Type.Array(Type.String()), Type.Null()]),
  routes: Type.Union([Type.Array(KeyRoute), Type.Null()]),
});
export type KeyRecord = Static<typeof KeyRecord>;

/** Keys that changed lately. */
export interface KeyChanges {
  /** Where the next reading goes on; a number that grows, unless the store was set back. */
  horizon: string;
  changes: readonly { changeId: number; keyHash: string }[];
}
