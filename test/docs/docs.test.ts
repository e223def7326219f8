import { describe, expect, test } from "bun:test";

import { parseConfig } from "../../core/config/parse.ts";
import { readPostgresUrl } from "../../core/config/postgres-url.ts";
import { FAULTS } from "../../ml-sim/faults.ts";
import { SettingsSchema } from "../../ml-sim/settings.ts";
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

describe("the configuration page", () => {
  test("shows parts that the configuration takes, with the rest as shipped", async () => {
    const examples = [...(await readPage()).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)];
    const shipped = Bun.YAML.parse(
      await Bun.file(`${import.meta.dir}/../../tollgate.yaml`).text(),
    ) as object;
    const secrets = { encryption_keys: "k1:AAAA", key_pepper: "p".repeat(32) };

    const configs = examples.map(([, example = ""]) =>
      parseConfig(
        { ...shipped, secrets, ...(Bun.YAML.parse(example) as object) },
        { VLLM_KEY: "k" },
      ),
    );

    const [groups, sentinels, cluster, ml] = configs;
    expect(configs.length).toBe(4);
    expect(readPostgresUrl(groups?.postgres.url ?? "").hosts.length).toBe(3);
    expect(groups?.amqp.more_urls.length).toBe(2);
    expect(sentinels?.redis.sentinels?.nodes.length).toBe(3);
    expect(cluster?.redis.cluster?.nodes.length).toBe(2);
    expect(Object.keys(ml?.models ?? {})).toEqual([ml?.default_model ?? ""]);
  });

  test("names settings and faults that the simulator has", async () => {
    const text = await readPage();
    const settings = [...text.matchAll(/ML_SIM_(\w+)=/g)].map(([, name = ""]) =>
      name.toLowerCase(),
    );
    const faults = [...text.matchAll(/\[\[sim:([a-z0-9-]+)/g)].map(([, kind = ""]) => kind);

    expect(settings.filter((name) => !Object.hasOwn(SettingsSchema.properties, name))).toEqual([]);
    expect(faults.filter((kind) => !Object.hasOwn(FAULTS, kind))).toEqual([]);
    expect([settings.length, faults.length]).toEqual([3, 3]);
  });
});

const readPage = (): Promise<string> =>
  Bun.file(`${import.meta.dir}/../../docs/configuration.md`).text();
