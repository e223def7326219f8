import { createSealer, UnreadableRecord } from "../../adapters/crypto/envelope.ts";
import { revokeKey } from "../../adapters/postgres/api-keys.ts";
import { findRequests } from "../../adapters/postgres/find-requests.ts";
import { findUser } from "../../adapters/postgres/users.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { decodeJson, type InferencePayload } from "../../core/request/payload.ts";
import type { RequestHead } from "../../core/request/request.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { type PostReply, postRequest } from "./gateway.ts";
import { forgetKeys, giveKey } from "./keys.ts";
import type { Operation } from "./operate.ts";

/** How long the key lives that a request is sent with for its user, whatever happens to this command. */
const KEY_LIFE_MS = 60_000;

/** Content as it was sealed. @throws {CommandFailure} when it cannot be opened */
export function openContent(
  { config }: Pick<Operation, "config">,
  { requestId, userId }: Pick<RequestHead, "requestId" | "userId">,
  sealed: Uint8Array,
  field: "prompt" | "result" | "metadata",
): unknown {
  try {
    const sealer = createSealer(config.secrets.encryption_keys);
    return decodeJson(sealer.open(sealed, { requestId, userId }, field));
  } catch (error) {
    if (!(error instanceof UnreadableRecord)) throw error;
    throw new CommandFailure(
      `the content cannot be opened (${error.message}): it needs the encryption keys it was sealed with`,
      { cause: error },
    );
  }
}

/** The body that a caller would post for this content. */
export function bodyOf(
  head: RequestHead,
  { input, maxTokens, n, parameters }: InferencePayload,
  metadata: Record<string, unknown> | null,
): GenerateBody {
  return {
    ...input,
    model: head.model,
    max_tokens: maxTokens,
    n,
    parameters,
    ...(metadata === null ? {} : { metadata }),
    queue_ttl: Math.max(1, Math.round((head.expiresAtMs - head.createdAtMs) / 1_000)),
  };
}

/**
 * Sends the content of a request again as a new request of the same user, through the gateway like any other:
 * counted, held, billed. Repeating it returns the same new request (an Idempotency-Key made of the old id
 * sees to that), so that an interruption between the acceptance and the end of the dead letter charges nobody
 * twice.
 */
export async function resubmit(
  operation: Operation,
  gatewayUrl: string,
  { head, payload }: QueuedRequest,
  model: string | undefined,
): Promise<PostReply> {
  const { config, database } = operation;
  const { requestId, userId } = head;
  const content = openContent(operation, head, payload, "prompt") as InferencePayload;
  const [stored] = await findRequests(database, [{ requestId, userId }]);
  const metadata = stored?.metadata
    ? (openContent(operation, head, stored.metadata, "metadata") as Record<string, unknown>)
    : null;
  if ((await findUser(database, userId)) === undefined)
    throw new CommandFailure(
      `its user ${userId} does not exist any more: forget it with ./tollgate dead drop ${requestId}`,
    );

  const body = { ...bodyOf(head, content, metadata), ...(model === undefined ? {} : { model }) };
  const key = await giveKey(database, config, userId, {
    name: "dead retry",
    expiresAtMs: Date.now() + KEY_LIFE_MS,
  });
  try {
    const idempotencyKey = ["dead-letter", requestId, ...(model === undefined ? [] : [model])].join(
      ":",
    );
    return await postRequest({ url: gatewayUrl, apiKey: key.apiKey }, body, idempotencyKey);
  } finally {
    const keyHash = await revokeKey(database, key.record.keyId);
    if (keyHash !== undefined) await forgetKeys(operation, [keyHash]);
  }
}
