import { afterAll, expect, test } from "bun:test";

import { findAdvisories } from "./advisories.ts";

/** A registry that has an advisory for whatever version it is asked about, or that has none to give. */
let answers: () => Response;
const asked: Record<string, string[]>[] = [];
const registry = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: async (request) => {
    const packed = Bun.gunzipSync(await request.arrayBuffer());
    asked.push(JSON.parse(Buffer.from(packed).toString()) as Record<string, string[]>);
    return answers();
  },
});
afterAll(() => registry.stop(true));

const find = () =>
  findAdvisories({
    ...process.env,
    BUN_CONFIG_REGISTRY: registry.url.href,
    npm_config_registry: "",
  });

const advisory = (severity: string) => ({
  postgres: [
    {
      id: 1,
      url: "https://github.com/advisories/GHSA-0000-0000-0000",
      title: "A weakness",
      severity,
      vulnerable_versions: "<99.0.0",
      cwe: [],
      cvss: { score: 9, vectorString: null },
    },
  ],
});

test("a weakness of a package that is shipped is found, and said", async () => {
  answers = () => Response.json(advisory("high"));

  const found = await find();

  expect(found).toMatchObject({ kind: "found", output: expect.stringContaining("A weakness") });
  // Only what is shipped is asked for.
  expect(Object.keys(asked.at(-1) ?? {})).toContain("ioredis");
  expect(Object.keys(asked.at(-1) ?? {})).not.toContain("typescript");
});

test("a slight one, or none, is nothing to stop for", async () => {
  answers = () => Response.json(advisory("low"));
  expect(await find()).toEqual({ kind: "none" });
  answers = () => Response.json({});
  expect(await find()).toEqual({ kind: "none" });
});

test("a registry that has no advisories to ask for leaves it unknown, with what it said", async () => {
  answers = () => new Response("no", { status: 405 });

  expect(await find()).toMatchObject({ kind: "unknown", reason: expect.stringContaining("405") });
});
