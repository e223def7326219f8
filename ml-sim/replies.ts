/** An error in the shape that OpenAI-like services use; says that it comes from a simulator. */
export function failure(status: number, message: string, retryAfterSeconds?: number): Response {
  const headers: Record<string, string> =
    retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
  const body = { error: { message: `simulator: ${message}`, code: status } };
  return Response.json(body, { status, headers });
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
