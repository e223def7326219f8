import { describe, expect, test } from "bun:test";

import { configurationTable, faultsTable, metricsTable } from "./tables.ts";

const BEGIN = "<!-- generated: begin -->";
const END = "<!-- generated: end -->";

/** `UPDATE_DOCS=1 bun test test/docs` writes the tables anew. */
const isUpdate = process.env["UPDATE_DOCS"] === "1";

describe("the documentation says what the code does", () => {
  test.each([
    ["faults", faultsTable],
    ["metrics", metricsTable],
    ["configuration", configurationTable],
  ])("docs/%s.md has the table of its source", async (name, render) => {
    const path = `${import.meta.dir}/../../docs/${name}.md`;
    const text = await Bun.file(path).text();
    const [before = "", rest = ""] = text.split(BEGIN);
    const [written = "", after = ""] = rest.split(END);
    if (isUpdate) await Bun.write(path, `${before}${BEGIN}\n${render()}\n${END}${after}`);

    expect(isUpdate ? render() : written.trim()).toBe(render());
  });
});
