import type { AcceptedReply, StatusReply } from "../../../gateway/http/schemas.ts";
import type { GenerateBody } from "../../../core/request/generate-body.ts";
import type { Api } from "../../../history/api.ts";

/** Runs `act` for 0 … count - 1, so many at a time, and returns the values in order. */
export async function concurrently<Value>(
  count: number,
  atOnce: number,
  act: (index: number) => Promise<Value>,
): Promise<Value[]> {
  const values: Value[] = [];
  let next = 0;
  const walk = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) values[index] = await act(index);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, walk));
  return values;
}

/** Posts `count` small requests that must all be accepted; `more` is in each body. */
export function generateMany(
  api: Api,
  count: number,
  { atOnce = 16, more = {} }: { atOnce?: number; more?: Partial<GenerateBody> } = {},
): Promise<AcceptedReply[]> {
  return concurrently(count, atOnce, (index) =>
    api.generate({ prompt: `request ${index}`, max_tokens: 16, ...more }),
  );
}

/** Waits for the end of all of them. */
export function untilAllEnded(
  api: Api,
  requests: readonly AcceptedReply[],
  withinMs?: number,
): Promise<StatusReply[]> {
  return concurrently(requests.length, 32, (index) =>
    api.untilEnded(requests[index]?.request_id ?? "", withinMs),
  );
}
