/**
 * The part of JSON Schema and Kubernetes's extensions to it that OpenAPI documents and custom resource
 * definitions use.
 */
export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  nullable?: boolean;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
}

export interface SchemaBundle {
  /** Go modules at a version that the schemas were taken from. */
  sources: string[];
  definitions: Record<string, Schema>;
  /** By `apiVersion kind`. */
  kinds: Record<string, Schema>;
  /** Keys that a KEDA scaler reads, by trigger type. */
  scalers: Record<string, Record<string, { from: string[]; optional: boolean }>>;
}

type Definitions = SchemaBundle["definitions"];

const METADATA: Schema = { $ref: "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (value === null) return "null";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function hasType(value: unknown, schema: Schema): boolean {
  const actual = typeOf(value);
  if (schema["x-kubernetes-int-or-string"] === true || schema.format === "int-or-string")
    return actual === "integer" || actual === "string";
  if (schema.type === undefined) return true;
  if (actual === "null") return schema.nullable === true;
  return schema.type === actual || (schema.type === "number" && actual === "integer");
}

function boundProblems(value: unknown, schema: Schema, path: string): string[] {
  const problems: string[] = [];
  const refuse = (isBad: boolean, text: string): void => {
    if (isBad) problems.push(`${path}: ${text}`);
  };
  refuse(
    schema.enum !== undefined && !schema.enum.includes(value),
    `must be one of ${schema.enum?.join(", ") ?? ""}`,
  );
  if (typeof value === "number") {
    refuse(value < (schema.minimum ?? -Infinity), `must be at least ${schema.minimum}`);
    refuse(value > (schema.maximum ?? Infinity), `must be at most ${schema.maximum}`);
  }
  if (typeof value === "string") {
    refuse(value.length < (schema.minLength ?? 0), "is too short");
    refuse(value.length > (schema.maxLength ?? Infinity), "is too long");
    refuse(
      schema.pattern !== undefined && !new RegExp(schema.pattern).test(value),
      `must match ${schema.pattern}`,
    );
  }
  if (Array.isArray(value)) {
    refuse(value.length < (schema.minItems ?? 0), "has too few items");
    refuse(value.length > (schema.maxItems ?? Infinity), "has too many items");
  }
  return problems;
}

function combinationProblems(
  value: unknown,
  schema: Schema,
  path: string,
  definitions: Definitions,
): string[] {
  // Branches only constrain. The fields are declared beside them, so unknown fields are reported there.
  const fits = (branch: Schema): boolean =>
    problemsOf(
      value,
      { ...branch, "x-kubernetes-preserve-unknown-fields": true },
      path,
      definitions,
    ).length === 0;
  const problems: string[] = [];
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits))
    problems.push(`${path}: fits no form`);
  if (schema.oneOf !== undefined && schema.oneOf.filter(fits).length !== 1)
    problems.push(`${path}: must fit exactly one form`);
  if (schema.allOf !== undefined && !schema.allOf.every(fits))
    problems.push(`${path}: must fit all forms`);
  if (schema.not !== undefined && fits(schema.not)) problems.push(`${path}: has a forbidden form`);
  return problems;
}

function fieldProblems(
  value: Record<string, unknown>,
  schema: Schema,
  path: string,
  definitions: Definitions,
): string[] {
  const problems = (schema.required ?? [])
    .filter((name) => !(name in value))
    .map((name) => `${path}.${name}: is missing`);
  const others = schema.additionalProperties;
  // A schema that declares no field at all (a bare object) says nothing about them.
  const isOpen =
    schema["x-kubernetes-preserve-unknown-fields"] === true ||
    others === true ||
    (schema.properties === undefined && others === undefined);
  for (const [name, child] of Object.entries(value)) {
    const declared = schema.properties?.[name] ?? (typeof others === "object" ? others : undefined);
    if (declared !== undefined)
      problems.push(...problemsOf(child, declared, `${path}.${name}`, definitions));
    else if (!isOpen) problems.push(`${path}.${name}: is not a field`);
  }
  return problems;
}

function problemsOf(
  value: unknown,
  schema: Schema,
  path: string,
  definitions: Definitions,
): string[] {
  if (schema.$ref !== undefined) {
    const target = definitions[schema.$ref.replace("#/definitions/", "")];
    if (target === undefined) throw new Error(`the schemas lack ${schema.$ref}`);
    return problemsOf(value, target, path, definitions);
  }
  if (!hasType(value, schema))
    return [`${path}: must be ${schema.type ?? "an integer or a string"}, is ${typeOf(value)}`];
  const problems = [
    ...boundProblems(value, schema, path),
    ...combinationProblems(value, schema, path, definitions),
  ];
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return problems;
    return problems.concat(
      value.flatMap((item, index) => problemsOf(item, items, `${path}[${index}]`, definitions)),
    );
  }
  if (typeof value === "object" && value !== null)
    return problems.concat(
      fieldProblems(value as Record<string, unknown>, schema, path, definitions),
    );
  return problems;
}

export interface Resource {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
}

/**
 * What is wrong with a resource: types, bounds, missing fields and, unlike the API server's default, unknown
 * fields.
 */
export function schemaProblems(resource: Resource, bundle: SchemaBundle): string[] {
  const name = `${resource.apiVersion} ${resource.kind}`;
  const schema = bundle.kinds[name];
  if (schema === undefined) return [`${name}: there is no schema`];
  const isBuiltIn = schema.$ref !== undefined;
  const complete = isBuiltIn
    ? schema
    : {
        ...schema,
        properties: {
          ...schema.properties,
          apiVersion: { type: "string" },
          kind: { type: "string" },
          metadata: METADATA,
        },
      };
  return problemsOf(
    resource,
    complete,
    `${resource.kind}/${resource.metadata.name}`,
    bundle.definitions,
  );
}
