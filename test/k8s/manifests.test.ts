import { describe, expect, test } from "bun:test";

import { built } from "./built.ts";
import { ROOTS } from "./kustomize.ts";
import { isWorkload } from "./resources.ts";
import { type Resource, schemaProblems } from "./schemas/check-schema.ts";
import { loadSchemas } from "./schemas/bundle.ts";

const schemas = await loadSchemas();

const idOf = ({ kind, metadata }: Resource): string =>
  `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;

/**
 * Gives every object inside `node` an unknown field, one after the other, and returns those where no check
 * noticed.
 */
function unnoticed(resource: Resource, node: unknown, path: string): string[] {
  if (typeof node !== "object" || node === null) return [];
  const found: string[] = [];
  if (!Array.isArray(node)) {
    const fields = node as Record<string, unknown>;
    fields["misspelt"] = { a: 1 };
    if (schemaProblems(resource, schemas).length === 0) found.push(path);
    delete fields["misspelt"];
  }
  for (const [key, child] of Object.entries(node))
    found.push(...unnoticed(resource, child, `${path}.${key}`));
  return found;
}

describe.skipIf(built === null)("what kustomize builds", () => {
  test.each([...ROOTS])(
    "k8s/%s fits the schemas of its publishers, without unknown fields",
    (root) => {
      const problems = built?.[root].flatMap((resource) => schemaProblems(resource, schemas));

      expect(problems).toEqual([]);
    },
  );

  test.each([...ROOTS])("k8s/%s has no two resources of one name", (root) => {
    const ids = built?.[root].map(idOf) ?? [];

    expect(ids.length).toBeGreaterThan(0);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  test.each([...ROOTS])("k8s/%s puts everything into the namespace tollgate", (root) => {
    const elsewhere = built?.[root].filter(
      ({ kind, metadata }) => kind !== "Namespace" && metadata.namespace !== "tollgate",
    );

    expect(elsewhere).toEqual([]);
  });

  test("a misspelt field is found wherever it stands", () => {
    const resources = Object.values(built ?? {})
      .flat()
      .filter((resource) => !isWorkload(resource) || resource.metadata.name === "worker");

    expect(resources.flatMap((resource) => unnoticed(resource, resource, idOf(resource)))).toEqual(
      [],
    );
  });
});
