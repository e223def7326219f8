import { expect, test } from "bun:test";

import type { Config } from "../../core/config/schema.ts";
import { Fault } from "../../core/faults.ts";
import { JsonText } from "../../core/json/json-text.ts";
import { testConfig } from "../../test/support/gateway-world.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import { nativeAsk } from "./native-ask.ts";
import { planRequest } from "./plan.ts";

const config = testConfig({});
/** As `allowed` says; undefined: as the defaults of the configuration say. */
function configWith(allowed: string[] | undefined): Config {
  const changed = Object.entries(config.models).map(([name, model]) => [
    name,
    { ...model, allowed_parameters: allowed ?? model.allowed_parameters },
  ]);
  return { ...config, models: Object.fromEntries(changed) as Config["models"] };
}

function plan(parameters: Record<string, unknown>, allowed?: string[]) {
  const value = { prompt: "x", parameters } as GenerateBody;
  const ask = nativeAsk(value, new JsonText(JSON.stringify(value)));
  return planRequest(ask, configWith(allowed));
}

function refusedBy(act: () => unknown): string[] {
  try {
    act();
    return [];
  } catch (error) {
    if (error instanceof Fault) return error.details.map(({ field }) => field);
    throw error;
  }
}

test("parameters that a model does not allow are refused, all by name", () => {
  const wrong = { api_base: "http://evil", priority: -100, temperature: 1, ignore_eos: true };

  expect(refusedBy(() => plan(wrong))).toEqual([
    "/parameters/api_base",
    "/parameters/priority",
    "/parameters/ignore_eos",
  ]);
});

test("objects and arrays that are allowed pass as they were written", () => {
  const given = { logit_bias: { "50256": -100 }, chat_template_kwargs: { thinking: false } };

  const { payload } = plan(given);

  const passed = [...payload.parameters].map(([name, { text }]) => [name, text]);
  expect(passed).toEqual(
    Object.entries(given).map(([name, value]) => [name, JSON.stringify(value)]),
  );
});

test("a model may allow others, or all", () => {
  expect(refusedBy(() => plan({ speed: 2, temperature: 1 }, ["speed"]))).toEqual([
    "/parameters/temperature",
  ]);
  expect(refusedBy(() => plan({ speed: 2 }, ["*"]))).toEqual([]);
});
