import { seededRandom } from "./faults.ts";
import { makeOutput } from "./text.ts";

/** The keywords of JSON Schema that the simulator knows; others are ignored. */
interface JsonSchema {
  $ref?: unknown;
  const?: unknown;
  enum?: unknown;
  anyOf?: unknown;
  oneOf?: unknown;
  type?: unknown;
  properties?: unknown;
  required?: unknown;
  items?: unknown;
  minItems?: unknown;
  maxItems?: unknown;
  minLength?: unknown;
  maxLength?: unknown;
  format?: unknown;
  minimum?: unknown;
  maximum?: unknown;
  exclusiveMinimum?: unknown;
}

/** Schemas may refer to themselves: deeper than this only what is required is made. */
const DEPTH_MAX = 8;
/** And nothing here. */
const DEPTH_END = 64;
const ITEMS_DEFAULT = 2;
const WORDS = { min: 1, max: 4 };
const FORMATS: Readonly<Record<string, string>> = {
  "date-time": "2026-11-21T12:00:00Z",
  date: "2026-11-21",
  time: "12:00:00Z",
  email: "simulator@example.com",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000",
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const numberOr = (value: unknown, fallback: number): number =>
  typeof value === "number" ? value : fallback;
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/**
 * A value that fits a JSON Schema of the plain kind: objects, arrays, strings, numbers, booleans, enum,
 * const, alternatives and references within it. The same seed makes the same value.
 */
export function schemaValue(root: unknown, seed: number): unknown {
  const random = seededRandom(seed);

  /** The schema that a reference such as `#/$defs/node` names. */
  function find(reference: unknown): unknown {
    const path = String(reference).split("/").slice(1);
    return path.reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), root);
  }

  function make(schema: JsonSchema, depth: number): unknown {
    if (depth > DEPTH_END) return null;
    const inner = (one: unknown): unknown => make(isRecord(one) ? one : {}, depth + 1);
    if (schema.$ref !== undefined) return inner(find(schema.$ref));
    if (schema.const !== undefined) return schema.const;
    const allowed = listOf(schema.enum);
    if (allowed.length > 0) return allowed[Math.floor(random() * allowed.length)];
    const alternatives = [...listOf(schema.anyOf), ...listOf(schema.oneOf)];
    if (alternatives.length > 0) return inner(alternatives.at(depth < DEPTH_MAX ? 0 : -1));
    switch (typeOf(schema)) {
      case "object":
        return makeObject(schema, depth);
      case "array":
        return Array.from({ length: lengthOf(schema, depth) }, () => inner(schema.items));
      case "integer":
        return Math.ceil(makeNumber(schema));
      case "number":
        return makeNumber(schema);
      case "boolean":
        return random() < 0.5;
      case "null":
        return null;
      default:
        return makeString(schema);
    }
  }

  function makeObject({ properties, required }: JsonSchema, depth: number): unknown {
    const made: Record<string, unknown> = {};
    for (const [name, schema] of Object.entries(isRecord(properties) ? properties : {})) {
      if (depth >= DEPTH_MAX && !listOf(required).includes(name)) continue;
      made[name] = make(isRecord(schema) ? schema : {}, depth + 1);
    }
    return made;
  }

  function makeNumber(schema: JsonSchema): number {
    const above = numberOr(schema.exclusiveMinimum, Number.NaN) + 1;
    const min = numberOr(schema.minimum, Number.isNaN(above) ? 0 : above);
    const max = numberOr(schema.maximum, min + 100);
    return min + Math.floor(random() * (max - min));
  }

  function makeString({ format, minLength, maxLength }: JsonSchema): string {
    const known = typeof format === "string" ? FORMATS[format] : undefined;
    const { text } = makeOutput(String(random()), 0, WORDS.max, WORDS);
    return (
      known ?? text.padEnd(numberOr(minLength, 0), "a").slice(0, numberOr(maxLength, Infinity))
    );
  }

  return make(isRecord(root) ? root : {}, 0);
}

/** The first type that is not null, if there are several; what it must be if none is said. */
function typeOf({ type, properties, items }: JsonSchema): unknown {
  if (Array.isArray(type)) return type.find((one) => one !== "null") ?? "null";
  if (type !== undefined) return type;
  if (properties !== undefined) return "object";
  return items === undefined ? "string" : "array";
}

function lengthOf({ minItems, maxItems }: JsonSchema, depth: number): number {
  const least = numberOr(minItems, 0);
  if (depth >= DEPTH_MAX) return least;
  return Math.max(least, Math.min(ITEMS_DEFAULT, numberOr(maxItems, ITEMS_DEFAULT)));
}
