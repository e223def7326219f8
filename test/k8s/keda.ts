import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { samplesOf } from "./promql.ts";
import type { Trigger } from "./resources.ts";

/** Where KEDA asks RabbitMQ, and as whom. */
export interface Management {
  url: string;
  username: string;
  password: string;
}

const CALL_LIMIT_MS = 5_000;
const Page = t.Object({
  items: t.Array(t.Object({ messages: t.Integer() })),
  page_count: t.Integer(),
});

/**
 * The number that a trigger of type rabbitmq gets in KEDA 2.20.2 (`getQueueInfoViaHTTP` and `getSum` in
 * pkg/scalers/rabbitmq_scaler.go): one page of the queues whose names match, added up.
 *
 * @throws where KEDA would report an error, and so fall back
 */
export async function countMessages(
  { metadata }: Pick<Trigger, "metadata">,
  { url, username, password }: Management,
): Promise<number> {
  const { queueName = "", pageSize = "100", useRegex, operation } = metadata;
  if (useRegex !== "true" || operation !== "sum")
    throw new Error("only sums by a pattern are known");
  const name = encodeURIComponent(queueName);
  const question = `page=1&use_regex=true&pagination=false&name=${name}&page_size=${pageSize}`;
  const reply = await fetch(`${url}/api/queues/%2F?${question}`, {
    headers: { authorization: `Basic ${btoa(`${username}:${password}`)}` },
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  if (!reply.ok) throw new Error(`RabbitMQ replies ${reply.status}: ${await reply.text()}`);
  const { items, page_count: pages } = Value.Decode(Page, await reply.json());
  if (pages > 1) throw new Error("the pattern matches more queues than one page has");
  return items.reduce((sum, { messages }) => sum + messages, 0);
}

/**
 * The number that a trigger of type prometheus gets.
 *
 * @throws where KEDA would report an error: no sample while nulls are not ignored, or several
 */
export async function readQuery({ metadata }: Trigger, prometheusUrl: string): Promise<number> {
  const { query = "", ignoreNullValues = "true" } = metadata;
  const samples = await samplesOf(prometheusUrl, query);
  const [value = 0] = samples;
  if (samples.length > 1 || (samples.length === 0 && ignoreNullValues === "false"))
    throw new Error(`${samples.length} samples: ${query}`);
  return value;
}

/** How many replicas a trigger asks for where there are none; 0: it does not wake. */
export function replicasFor({ metadata }: Trigger, value: number): number {
  const { activationThreshold, activationValue, threshold, value: target } = metadata;
  if (value <= Number(activationThreshold ?? activationValue ?? 0)) return 0;
  return Math.ceil(value / Number(threshold ?? target));
}
