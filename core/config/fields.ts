import { Type as t } from "@sinclair/typebox";

/** An object without further members. */
export const closed = { additionalProperties: false } as const;
/** A duration in milliseconds. */
export const ms = (fallback: number, description: string, minimum = 1) =>
  t.Integer({ minimum, default: fallback, description });
export const count = (fallback: number, description: string, minimum = 1) =>
  t.Integer({ minimum, default: fallback, description });
export const port = (fallback: number, description: string) =>
  t.Integer({ minimum: 1, maximum: 65_535, default: fallback, description });
