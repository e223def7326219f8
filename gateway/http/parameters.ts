import { invalidParameter } from "../../core/faults.ts";

/**
 * The query parameters of a URL by name; undefined: not given. A name that the route does not know, or one
 * that comes twice, is an error: a misspelt filter must not return something else than was asked for.
 *
 * @throws {Fault} PARAMETER_INVALID
 */
export function queryOf<const Name extends string>(
  url: string,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const query: Partial<Record<Name, string>> = {};
  for (const [key, value] of new URL(url).searchParams) {
    const name = names.find((known) => known === key);
    if (name === undefined)
      throw invalidParameter(key, `is not a parameter here; there are: ${names.join(", ")}`);
    if (query[name] !== undefined) throw invalidParameter(name, "is given more than once");
    query[name] = value;
  }
  return query;
}

/**
 * The one of `allowed` that a parameter says.
 *
 * @throws {Fault} PARAMETER_INVALID
 */
export function oneOf<const Value extends string>(
  name: string,
  given: string,
  allowed: readonly Value[],
): Value {
  const value = allowed.find((candidate) => candidate === given);
  if (value === undefined) throw invalidParameter(name, `must be one of ${allowed.join(", ")}`);
  return value;
}
