import { type Static, type TSchema, TypeGuard } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { ValueError } from "@sinclair/typebox/errors";

import { JsonText } from "../../core/json/json-text.ts";
import { Fault, type FaultDetail, invalidField } from "../../core/faults.ts";

const DETAILS_MAX = 20;
/** Writing JSON that is nested 50,000 levels deep blocks the event loop for seconds, before it throws. */
const DEPTH_MAX = 32;
/**
 * Of one object. Telling which of 100,000 members are unknown blocks the event loop for a fifth of a
 * second.
 */
const MEMBERS_MAX = 1_000;

/**
 * Checks the media type, the size and the depth, and parses. Checks the size again on the bytes: a chunked
 * body announces none.
 *
 * @throws {Fault} CONTENT_TYPE_UNSUPPORTED, BODY_TOO_LARGE, BODY_NOT_JSON, BODY_INVALID
 */
export async function readJson(
  request: Request,
  bytesMax: number,
): Promise<{ value: unknown; text: JsonText; bytes: number }> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new Fault("CONTENT_TYPE_UNSUPPORTED", "send the body as content-type: application/json");
  }
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const text = await request.text();
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) throw tooLarge(bytesMax);
  const value = parse(text);
  const excess = excessOf(value);
  if (excess !== undefined) throw invalidField(excess.field, excess.message);
  return { value, text: new JsonText(text, value), bytes };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Fault("BODY_NOT_JSON", "the body cannot be parsed as JSON");
  }
}

/** What would take too long to check or to write, as a JSON pointer and what is allowed there. */
function excessOf(value: unknown): FaultDetail | undefined {
  if (!isNested(value)) return undefined;
  if (isCrowded(value)) return { field: "/", message: TOO_CROWDED };
  for (const [name, member] of Object.entries(value)) {
    const message = excessWithin(member);
    const field = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (message !== undefined) return { field, message };
  }
  return undefined;
}

const TOO_DEEP = `may be nested ${DEPTH_MAX} levels deep`;
const TOO_CROWDED = `may have at most ${MEMBERS_MAX} members`;

/** Level by level, since a recursion would be what it guards against. */
function excessWithin(value: unknown): string | undefined {
  let level = [value].filter(isNested);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > DEPTH_MAX) return TOO_DEEP;
    if (level.some(isCrowded)) return TOO_CROWDED;
    level = level.flatMap((nested) => Object.values(nested)).filter(isNested);
  }
  return undefined;
}

function isCrowded(value: object): boolean {
  return !Array.isArray(value) && Object.keys(value).length > MEMBERS_MAX;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function tooLarge(bytesMax: number): Fault {
  return new Fault("BODY_TOO_LARGE", `the body may have at most ${bytesMax} bytes`);
}

/**
 * Compiles the check of a schema. It returns the value, typed, or throws the fault BODY_INVALID, which
 * names every wrong field and what is allowed there.
 */
export function compileBody<Schema extends TSchema>(
  schema: Schema,
): (value: unknown) => Static<Schema> {
  const check = TypeCompiler.Compile(schema);
  return (value) => {
    if (check.Check(value)) return value;
    const details: FaultDetail[] = [];
    for (const error of check.Errors(value)) {
      const field = error.path || "/";
      if (details.some((detail) => detail.field === field)) continue;
      details.push({ field, message: messageOf(error) });
      if (details.length === DETAILS_MAX) break;
    }
    throw new Fault("BODY_INVALID", "the body does not fit the schema; `errors` names the fields", {
      details,
    });
  };
}

/** Of a value that is none of a closed list the library says only that; here the list is named. */
function messageOf({ schema, message }: ValueError): string {
  if (!TypeGuard.IsUnion(schema) || !schema.anyOf.every((one) => TypeGuard.IsLiteral(one)))
    return message;
  return `must be one of ${schema.anyOf.map((one) => String(one.const)).join(", ")}`;
}
