import { describe, expect, test } from "bun:test";

import { Type as t } from "@sinclair/typebox";

import { createFakeGateway, problemOf } from "../../test/support/gateway-world.ts";
import { compileBody } from "./body.ts";

/** What is said of a body, by field. */
async function saidOf(body: unknown): Promise<Record<string, string>> {
  const { call } = createFakeGateway();
  const { errors = [] } = await problemOf(await call("POST", "/generate", { body }));
  return Object.fromEntries(errors.map(({ field, message }) => [field, message]));
}

describe("what is wrong with a body", () => {
  test("is said at once, with what only the configuration allows", async () => {
    const said = await saidOf({ prompt: "x", n: 99, max_tokens: 99_999, queue_ttl: 1e9, promt: 1 });

    expect(Object.keys(said).toSorted()).toEqual(["/max_tokens", "/n", "/promt", "/queue_ttl"]);
    expect(said).toMatchObject({
      "/n": "must be at most 8",
      "/max_tokens": "must be at most 1000",
    });
    expect(said["/promt"]).toStartWith(
      "is not a known field; did you mean prompt? known are prompt",
    );
  });

  test.each([
    [{ prompt: 5 }, "/prompt", "must be a text, a list of texts, tokens, or a list of tokens"],
    [{ prompt: "" }, "/prompt", "must not be empty"],
    [{ prompt: "x", n: 0 }, "/n", "must be a whole number of at least 1"],
    [{ prompt: "x", n: 1.5 }, "/n", "must be a whole number of at least 1"],
    [{ prompt: "x", n: 9 }, "/n", "must be at most 8"],
    [{ prompt: "x", priority: "urgent" }, "/priority", "must be one of low, normal, high"],
    [{ prompt: "x", model: "m".repeat(201) }, "/model", "must have at most 200 characters"],
    [{ messages: [] }, "/messages", "must not be empty"],
    [{ messages: [{ content: "x" }] }, "/messages/0/role", "is required"],
    [{ prompt: "x", metadata: [] }, "/metadata", "must be an object"],
    [
      { prompt: "x", parameters: { temperature: 3 } },
      "/parameters/temperature",
      "must be a number from 0 to 2",
    ],
    [
      { prompt: "x", parameters: { stop: 1 } },
      "/parameters/stop",
      "must be a string or a list, each item a string",
    ],
    [
      { prompt: "x", parameters: { stop: ["a", "b", "c", "d", "e"] } },
      "/parameters/stop",
      "must have at most 4 items",
    ],
    [
      { prompt: "x", parameters: { stop: {} } },
      "/parameters/stop",
      "must be a string or a list, each item a string",
    ],
    [{ prompt: "x", parameters: { seed: "7" } }, "/parameters/seed", "must be a whole number"],
    [[], "/", "must be an object"],
  ])("is said in words: %j", async (body, field, message) => {
    expect((await saidOf(body))[field]).toBe(message);
  });

  test("is said of the branch of a union that was meant", () => {
    const closed = { additionalProperties: false };
    const check = compileBody(
      t.Union([
        t.String(),
        t.Object({ type: t.Literal("text"), text: t.String() }, closed),
        t.Object({ type: t.Literal("image"), url: t.String() }, closed),
      ]),
    );
    const detailsOf = (value: unknown): unknown => {
      try {
        return check(value);
      } catch (error) {
        return (error as { details: unknown }).details;
      }
    };

    expect(detailsOf({ type: "image", url: 5 })).toEqual([
      { field: "/url", message: "must be a string" },
    ]);
    expect(detailsOf(5)).toEqual([{ field: "/", message: "must be a string or an object" }]);
  });
});
