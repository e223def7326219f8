import { describe, expect, test } from "bun:test";

import { FormatRegistry, type TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { WAITING_REASONS } from "../../core/queue/lane.ts";
import { GenerateBody } from "../../core/request/generate-body.ts";
import * as replies from "../../gateway/http/schemas.ts";
import { createFakeGateway } from "../support/gateway-world.ts";

const schemas = { GenerateBody, ...replies };

const text = await Bun.file(`${import.meta.dir}/../../docs/api.md`).text();

/** The routes that have a heading, such as `GET /quota`. */
const documentedRoutes = [...text.matchAll(/^### `([A-Z]+ \/\S*)`$/gm)].map((match) => match[1]);

/** The JSON examples, each with the name of the schema it shows. */
const examples = [...text.matchAll(/^```json (\w+)\n([\s\S]*?)^```$/gm)].map(
  ([, name = "", json = ""], index) => ({ title: `${index + 1}: ${name}`, name, json }),
);

/** The names of fields that a reader has to find. */
const fieldsOf = (schema: TSchema): string[] =>
  Object.keys((schema as { properties?: object }).properties ?? {});

async function openApi(): Promise<{ paths: Record<string, Record<string, unknown>> }> {
  const { call } = createFakeGateway();
  return (await (await call("GET", "/openapi.json")).json()) as Awaited<ReturnType<typeof openApi>>;
}

async function openApiRoutes(): Promise<string[]> {
  const document = await openApi();
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

describe("the API page", () => {
  test("has a section for every route, and for no other", async () => {
    expect(new Set(documentedRoutes)).toEqual(new Set(await openApiRoutes()));
  });

  test("has the examples of the OpenAPI document, the first of each schema", async () => {
    const shown = [...Map.groupBy(examples, ({ name }) => name).values()].map(([first]) => first);
    const documented = JSON.stringify(await openApi());

    const missing = shown.filter(
      (example) =>
        !documented.includes(`"example":${JSON.stringify(JSON.parse(example?.json ?? ""))}`),
    );

    expect(missing.map((example) => example?.title)).toEqual([]);
  });

  test.each([
    ["GenerateBody", schemas.GenerateBody],
    ["StatusReply", schemas.StatusReply],
    ["tokens of a StatusReply", schemas.StatusReply.properties.tokens],
  ])("explains every field of %s", (_name, schema) => {
    const missing = fieldsOf(schema).filter((field) => !text.includes(`\`${field}\``));

    expect(missing).toEqual([]);
  });

  test("explains every reason for which a request waits, and no other", () => {
    const [table = ""] = (text.split("| `reason` |")[1] ?? "").split("\n\n");
    const explained = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, reason]) => reason);

    expect(new Set(explained)).toEqual(new Set(WAITING_REASONS));
  });

  test.each(examples)("shows a valid example, $title", ({ name, json }) => {
    for (const format of ["uuid", "date-time", "date"]) FormatRegistry.Set(format, () => true);
    const schema = Object.entries(schemas).find(([exported]) => exported === name)?.[1];

    const errors = [...Value.Errors(schema as TSchema, JSON.parse(json))];

    expect(errors.map(({ path, message }) => `${path}: ${message}`)).toEqual([]);
  });
});
