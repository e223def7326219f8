import { Fault } from "../../core/faults.ts";
import type { GatewayPorts } from "../ports.ts";
import { type JsonBody, readJson } from "./body.ts";

/**
 * Reads the body of a user's call as JSON and works on it. What bodies occupy is bounded, of a user and of
 * all, from before the first byte is read until the work is over; a body that does not come in time is given
 * up.
 *
 * @throws {Fault} CONCURRENCY_EXCEEDED, OVERLOADED beyond a bound, BODY_TOO_SLOW, what `readJson` throws, and
 *   what `work` throws
 */
export type WithBody = <Result>(
  request: Request,
  userId: string,
  work: (body: JsonBody) => Promise<Result>,
) => Promise<Result>;

/** The rest of a body that was refused is not wanted: the server would read it for the next call. */
const LEAVE = { connection: "close" };
const RETRY_AFTER_SECONDS = 1;

export function createWithBody({
  config,
  schedule,
}: Pick<GatewayPorts, "config" | "schedule">): WithBody {
  const byUser = new Map<string, number>();
  let all = 0;

  /** Returns how to give back what was taken. A body is taken beyond a bound where there is no other. */
  function take(userId: string, bytes: number): () => void {
    const { bodies_bytes_max: max, user_bodies_bytes_max: userMax } = config().gateway;
    const own = byUser.get(userId) ?? 0;
    if (own > 0 && own + bytes > userMax)
      throw new Fault(
        "CONCURRENCY_EXCEEDED",
        `the bodies of your calls under way may have ${userMax} bytes together`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS, headers: LEAVE },
      );
    if (all > 0 && all + bytes > max)
      throw new Fault("OVERLOADED", "too many bodies are being read; try again shortly", {
        headers: LEAVE,
      });
    byUser.set(userId, own + bytes);
    all += bytes;
    return () => {
      all -= bytes;
      const left = (byUser.get(userId) ?? 0) - bytes;
      if (left > 0) byUser.set(userId, left);
      else byUser.delete(userId);
    };
  }

  async function inTime(reading: Promise<JsonBody>, limitMs: number): Promise<JsonBody> {
    const late = Promise.withResolvers<never>();
    const callOff = schedule(() => {
      const message = `the body did not come within ${limitMs / 1_000} seconds`;
      late.reject(new Fault("BODY_TOO_SLOW", message, { headers: LEAVE }));
    }, limitMs);
    try {
      return await Promise.race([reading, late.promise]);
    } finally {
      callOff();
      // It ends with the connection.
      reading.catch(() => {});
    }
  }

  return async (request, userId, work) => {
    const { body_bytes_max: bytesMax, body_timeout_ms: limitMs } = config().gateway;
    const giveBack = take(userId, bytesAhead(request.headers, bytesMax));
    try {
      return await work(await inTime(readJson(request, bytesMax), limitMs));
    } finally {
      giveBack();
    }
  };
}

/** The most that a body may have: one that is chunked or encoded does not say. */
function bytesAhead(headers: Headers, bytesMax: number): number {
  const announced = headers.get("content-length");
  if (announced === null || headers.has("content-encoding")) return bytesMax;
  return Math.min(Number(announced), bytesMax);
}
