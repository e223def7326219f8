import { expect, test } from "bun:test";

import { metricsOf, nameProblems, specOf } from "./promql.ts";

const NONE: ReadonlySet<string> = new Set();

test("the metrics of a query are found with the labels of their selectors", () => {
  const uses = metricsOf(
    'sum by (model) (rate(ml_tokens_processed_total{model=~"a|{b}",kind!="x"}[5m])) * 60 ' +
      "or 0 * max(outbox_depth)",
  );

  expect(uses).toEqual([
    { name: "ml_tokens_processed_total", labels: ["model", "kind"] },
    { name: "outbox_depth", labels: [] },
  ]);
});

test("a histogram exists by its three series, not by its own name", () => {
  expect(specOf("collector_batch_size_bucket")).toBeDefined();
  expect(specOf("collector_batch_size")).toBeUndefined();
  expect(specOf("outbox_depth_sum")).toBeUndefined();
});

test.each([
  ["rate(gateway_request_total[5m])", "gateway_request_total does not exist"],
  ['queue_depth{name="a"}', "queue_depth has no label name"],
  ["sum by (user) (outbox_depth)", "no metric of the query has the label user"],
])("a wrong name in %s is found", (query, problem) => {
  expect(nameProblems(query, NONE)).toEqual([problem]);
});
