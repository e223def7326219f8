import { expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { jsonResponse } from "./json-response.ts";
import { problemResponse } from "./problem.ts";

test("a reply is JSON that ends with a newline, of whatever type and status it is given", async () => {
  const plain = jsonResponse({ status: "live" });
  const accepted = jsonResponse({ id: 1 }, { status: 202, headers: { location: "/status/1" } });

  expect(await plain.text()).toBe('{"status":"live"}\n');
  expect(plain.status).toBe(200);
  expect(plain.headers.get("content-type")).toBe(Response.json({}).headers.get("content-type"));
  expect(accepted.status).toBe(202);
  expect(accepted.headers.get("location")).toBe("/status/1");
});

test("a problem document ends with a newline and keeps its type", async () => {
  const problem = problemResponse(new Fault("ROUTE_UNKNOWN", "there is no such route"));

  expect(problem.headers.get("content-type")).toBe("application/problem+json");
  expect(problem.status).toBe(404);
  expect(await problem.text()).toEndWith("}\n");
});
