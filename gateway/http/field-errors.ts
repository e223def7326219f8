import { type TSchema, TypeGuard } from "@sinclair/typebox";
import { type ValueError, ValueErrorType as Wrong } from "@sinclair/typebox/errors";

import type { FaultDetail } from "../../core/faults.ts";
import { nearestOf } from "./nearest.ts";

/** Branches of a union that are looked into for what is wrong within. */
const BRANCHES_MAX = 16;
/** Errors of one branch that are looked at. */
const BRANCH_ERRORS_MAX = 20;

/**
 * What is wrong at a field, in words for a person: of a union, what is wrong in the branch that was meant.
 */
export function wordsOf(error: ValueError): FaultDetail[] {
  const meant = error.type === Wrong.Union ? meantBranch(error) : undefined;
  if (meant !== undefined) return meant.flatMap(wordsOf);
  return [{ field: error.path || "/", message: messageOf(error) }];
}

/** The errors of the one branch whose type, and whose literals, fit the value; undefined: there is none. */
function meantBranch({ path, errors }: ValueError): ValueError[] | undefined {
  const branches = errors
    .slice(0, BRANCHES_MAX)
    .map((iterator) => firstOf(iterator, BRANCH_ERRORS_MAX))
    .filter((found) => found.every((one) => one.path !== path || !isOfType(one)));
  const told = branches.filter((found) => found.every(({ type }) => type !== Wrong.Literal));
  const candidates = told.length > 0 ? told : branches;
  return candidates.length === 1 ? candidates[0] : undefined;
}

function firstOf(errors: Iterable<ValueError>, max: number): ValueError[] {
  const found: ValueError[] = [];
  for (const error of errors) {
    found.push(error);
    if (found.length === max) break;
  }
  return found;
}

const OF_TYPE: ReadonlySet<Wrong> = new Set([
  Wrong.String,
  Wrong.Number,
  Wrong.Integer,
  Wrong.Boolean,
  Wrong.Null,
  Wrong.Literal,
  Wrong.Array,
  Wrong.Object,
]);
const isOfType = ({ type }: ValueError): boolean => OF_TYPE.has(type);

/** What is said where the type is right and something else is not. */
const SAID: Partial<Record<Wrong, (schema: TSchema, path: string) => string>> = {
  [Wrong.ObjectRequiredProperty]: () => "is required",
  [Wrong.ObjectAdditionalProperties]: unknownField,
  [Wrong.ObjectMinProperties]: (schema) => atLeast(schema["minProperties"], "member"),
  [Wrong.ObjectMaxProperties]: (schema) => atMost(schema["maxProperties"], "member"),
  [Wrong.ArrayMinItems]: (schema) => atLeast(schema["minItems"], "item"),
  [Wrong.ArrayMaxItems]: (schema) => atMost(schema["maxItems"], "item"),
  [Wrong.StringMinLength]: (schema) => atLeast(schema["minLength"], "character"),
  [Wrong.StringMaxLength]: (schema) => atMost(schema["maxLength"], "character"),
  [Wrong.StringPattern]: (schema) => `must match ${String(schema["pattern"])}`,
  [Wrong.StringFormat]: (schema) => `must be a ${String(schema["format"])}`,
};

const messageOf = ({ type, schema, path }: ValueError): string =>
  SAID[type]?.(schema, path) ?? `must be ${nameOf(schema)}`;

const counted = (count: unknown, noun: string): string =>
  `${String(count)} ${noun}${count === 1 ? "" : "s"}`;

const atMost = (count: unknown, noun: string): string =>
  `must have at most ${counted(count, noun)}`;

const atLeast = (count: unknown, noun: string): string =>
  count === 1 ? "must not be empty" : `must have at least ${counted(count, noun)}`;

function unknownField(schema: TSchema, path: string): string {
  const known = TypeGuard.IsObject(schema) ? Object.keys(schema.properties) : [];
  const nearest = nearestOf(path.slice(path.lastIndexOf("/") + 1), known);
  const guess = nearest === undefined ? "" : `did you mean ${nearest}? `;
  return `is not a known field; ${guess}known are ${known.join(", ")}`;
}

/** What a schema wants, as it follows on "must be". */
function nameOf(schema: TSchema): string {
  if (TypeGuard.IsUnion(schema)) {
    if (schema.title !== undefined) return schema.title;
    if (schema.anyOf.every((one) => TypeGuard.IsLiteral(one)))
      return `one of ${schema.anyOf.map((one) => String(one.const)).join(", ")}`;
    return [...new Set(schema.anyOf.map(nameOf))].join(" or ");
  }
  if (TypeGuard.IsLiteral(schema)) return String(schema.const);
  if (TypeGuard.IsInteger(schema)) return `a whole number${rangeOf(schema)}`;
  if (TypeGuard.IsNumber(schema)) return `a number${rangeOf(schema)}`;
  if (TypeGuard.IsString(schema)) return "a string";
  if (TypeGuard.IsBoolean(schema)) return "true or false";
  if (TypeGuard.IsNull(schema)) return "null";
  if (TypeGuard.IsArray(schema)) return `a list, each item ${nameOf(schema.items)}`;
  if (TypeGuard.IsObject(schema) || TypeGuard.IsRecord(schema)) return "an object";
  return "of another kind";
}

function rangeOf({ minimum, maximum }: TSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return maximum === undefined ? "" : ` of at most ${maximum}`;
}
