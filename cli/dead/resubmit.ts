import { createSealer, UnreadableRecord } from "../../adapters/crypto/envelope.ts";
import { revokeKey } from "../../adapters/postgres/api-keys.ts";
import { findRequests } from "../../adapters/postgres/find-requests.ts";
import { findUser } from "../../adapters/postgres/users.ts";
import type { Act } from "../../adapters/postgres/operator-actions.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { JsonText } from "../../core/json/json-text.ts";
import {
  decodeJson,
  decodePayload,
  decodeText,
  type InferencePayload,
} from "../../core/request/payload.ts";
import type { SealedField } from "../../core/request/stored-request.ts";
import type { RequestHead } from "../../core/request/request.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { type Gateway, type PostReply, postRequest } from "../operator/gateway.ts";
import { ALL_SCOPES, forgetKeys, giveKey } from "../operator/keys.ts";
import type { Operation } from "../operator/operate.ts";

/** Long enough for one request. */
const KEY_LIFE_MS = 60_000;
/** Keys that are lent at once. */
const KEYS_MAX = 50;

/** Content as it was sealed. @throws {CommandFailure} when it cannot be opened */
export function openContent(...sealed: Parameters<typeof openSealed>): unknown {
  return decodeJson(openSealed(...sealed));
}

function openSealed(
  { config }: Pick<Operation, "config">,
  { requestId, userId }: Pick<RequestHead, "requestId" | "userId">,
  sealed: Uint8Array,
  field: SealedField,
): Uint8Array {
  try {
    const sealer = createSealer(config.secrets.encryption_keys);
    return sealer.open(sealed, { requestId, userId }, field);
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
  metadata: JsonText | null,
  model: string = head.model,
): JsonText {
  return JsonText.of({
    ...input,
    model,
    ...("input" in input ? {} : { max_tokens: maxTokens, n }),
    parameters: Object.fromEntries(parameters),
    ...(metadata === null ? {} : { metadata }),
    queue_ttl: Math.max(1, Math.round((head.expiresAtMs - head.createdAtMs) / 1_000)),
  });
}

/** Sends the content of requests that have ended again. */
export interface Resubmitter {
  /**
   * Sends the content of a request as a new request of the same user, through the gateway like any other:
   * counted, held, billed. Repeating it returns the same new request (an Idempotency-Key made of the old id
   * sees to that), so that an interruption between the acceptance and the end of the dead letter charges
   * nobody twice.
   *
   * @throws {CommandFailure} when the content cannot be opened, the user is gone, or no gateway answers
   */
  send: (request: QueuedRequest, model: string | undefined) => Promise<PostReply>;
  /** Takes back the keys that requests were sent with. */
  close: () => Promise<void>;
}

interface LentKey {
  apiKey: string;
  keyId: string;
  madeAtMs: number;
}

/**
 * Sends for each user with a key of theirs that is made for it, lives `keyLifeMs` whatever happens to this
 * command, and is revoked when it is no longer needed.
 */
export function createResubmitter(
  operation: Operation,
  gateway: Omit<Gateway, "apiKey">,
  act: Act,
  keyLifeMs: number = KEY_LIFE_MS,
): Resubmitter {
  const { database } = operation;
  /** By user, the one made first in front. */
  const lent = new Map<string, LentKey>();

  async function takeBack(userId: string): Promise<void> {
    const key = lent.get(userId);
    lent.delete(userId);
    if (key === undefined) return;
    const keyHash = await revokeKey(database, key.keyId, act);
    if (keyHash !== undefined) await forgetKeys(operation, [keyHash]);
  }

  async function keyOf(userId: string): Promise<LentKey> {
    const known = lent.get(userId);
    if (known !== undefined && Date.now() - known.madeAtMs < keyLifeMs / 2) return known;
    await takeBack(userId);
    const [first] = lent.keys();
    if (lent.size >= KEYS_MAX && first !== undefined) await takeBack(first);
    const expiresAtMs = Date.now() + keyLifeMs;
    const about = { name: "dead retry", expiresAtMs, ...ALL_SCOPES };
    const { apiKey, record } = await giveKey(operation, userId, about, act);
    const made = { apiKey, keyId: record.keyId, madeAtMs: Date.now() };
    lent.set(userId, made);
    return made;
  }

  async function bodyAgain(request: QueuedRequest, model: string | undefined): Promise<JsonText> {
    const { head, payload } = request;
    const content = decodePayload(openSealed(operation, head, payload, "prompt"));
    const [stored] = await findRequests(database, [head]);
    const metadata = stored?.metadata
      ? decodeText(openSealed(operation, head, stored.metadata, "metadata"))
      : null;
    return bodyOf(head, content, metadata, model);
  }

  return {
    send: async (request, model) => {
      const { requestId, userId } = request.head;
      const body = await bodyAgain(request, model);
      if ((await findUser(database, userId)) === undefined)
        throw new CommandFailure(
          `its user ${userId} does not exist any more: forget it with ./tollgate dead drop ${requestId}`,
        );
      const { apiKey } = await keyOf(userId);
      const parts = ["dead-letter", requestId, ...(model === undefined ? [] : [model])];
      return postRequest({ ...gateway, apiKey }, body, parts.join(":"));
    },
    close: async () => {
      for (const userId of lent.keys()) await takeBack(userId);
    },
  };
}
