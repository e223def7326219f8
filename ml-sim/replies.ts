/** An error as OpenAI-like services write it; says that it comes from a simulator. */
export function errorOf(message: string, code: number | string) {
  return {
    error: { message: `simulator: ${message}`, type: "simulator_error", param: null, code },
  };
}

/** A reply that is such an error. */
export function failure(status: number, message: string, retryAfterSeconds?: number): Response {
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
  return Response.json(errorOf(message, status), { status, headers });
}

/** For a caller that nobody will answer any more. */
export const callerHasLeft = (): Response => failure(499, "the caller has left");

/** The body as JSON; undefined when it is none. */
export async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined;
  }
}
