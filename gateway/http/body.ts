import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

import { findDuplicateMember } from "../../core/json/duplicate-member.ts";
import { JsonText } from "../../core/json/json-text.ts";
import { Fault, type FaultDetail, invalidField, invalidFields } from "../../core/faults.ts";
import { wordsOf } from "./field-errors.ts";
import { readBody } from "./read-body.ts";

const DETAILS_MAX = 20;
/** Writing JSON that is nested 50,000 levels deep blocks the event loop for seconds, before it throws. */
const DEPTH_MAX = 32;
/**
 * Of one object. Telling which of 100,000 members are unknown blocks the event loop for a fifth of a
 * second.
 */
const MEMBERS_MAX = 1_000;

/** A body that was read. */
export interface JsonBody {
  value: unknown;
  text: JsonText;
  bytes: number;
}

/**
 * Checks the media type, the size, the depth and that no member is there twice; decodes and parses. A byte
 * order mark is passed over (RFC 8259, 8.1).
 *
 * @throws {Fault} CONTENT_TYPE_UNSUPPORTED, CONTENT_ENCODING_UNSUPPORTED, BODY_TOO_LARGE, BODY_NOT_JSON,
 *   BODY_INVALID
 */
export async function readJson(request: Request, bytesMax: number): Promise<JsonBody> {
  checkContentType(request.headers.get("content-type") ?? "");
  const bytes = await readBody(request, bytesMax);
  const text = textOf(bytes);
  const value = parse(text);
  const excess = excessOf(value);
  if (excess !== undefined) throw invalidField(excess.field, excess.message);
  const twice = findDuplicateMember(text, value);
  if (twice !== undefined) throw invalidField(twice, "is there twice");
  return { value, text: new JsonText(text, value), bytes: bytes.byteLength };
}

function checkContentType(contentType: string): void {
  const [mediaType = "", ...parameters] = contentType.toLowerCase().split(";");
  if (mediaType.trim() !== "application/json")
    throw new Fault("CONTENT_TYPE_UNSUPPORTED", "send the body as content-type: application/json");
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1])
    .find((name) => name !== undefined);
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8")
    throw new Fault("CONTENT_TYPE_UNSUPPORTED", "JSON is UTF-8: send charset=utf-8, or none");
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new Fault("BODY_NOT_JSON", "the body has bytes that are not UTF-8", { cause: error });
  }
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

/**
 * Returns the value, typed; `more` are what other checks found, `beside` what is named only where something
 * else is wrong. Throws the fault BODY_INVALID.
 */
export type CheckBody<Schema extends TSchema> = (
  value: unknown,
  more?: readonly FaultDetail[],
  beside?: readonly FaultDetail[],
) => Static<Schema>;

/** Compiles the check of a schema. Its fault names every wrong field and what is allowed there. */
export function compileBody<Schema extends TSchema>(schema: Schema): CheckBody<Schema> {
  const check = TypeCompiler.Compile(schema);
  return (value, more = [], beside = []) => {
    if (check.Check(value)) {
      if (more.length > 0) throw invalidFields([...more, ...beside]);
      return value;
    }
    const details = new Map<string, FaultDetail>();
    for (const error of check.Errors(value)) {
      for (const detail of wordsOf(error))
        if (!details.has(detail.field)) details.set(detail.field, detail);
      if (details.size >= DETAILS_MAX) break;
    }
    for (const detail of [...more, ...beside])
      if (!details.has(detail.field)) details.set(detail.field, detail);
    throw invalidFields([...details.values()].slice(0, DETAILS_MAX));
  };
}
