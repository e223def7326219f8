import { randomUUIDv7 } from "bun";

import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { createSealer } from "../../adapters/crypto/envelope.ts";
import { insertRequests } from "../../adapters/postgres/insert-requests.ts";
import { encodeJson, type InferencePayload } from "../../core/request/payload.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { dayOf } from "../../core/quota/windows.ts";
import type { Session } from "../measure/session.ts";
import { type Filling, inParts } from "./parts.ts";

const HOUR_MS = 3_600_000;
const CONFIRM_MS = 60_000;
const ESTIMATED_TOKENS = 100;
const PUBLISHER = {
  channels: 4,
  messagesMax: 4_000,
  bytesMax: 32 * 1024 * 1024,
  confirmTimeoutMs: CONFIRM_MS,
};

interface Backlog {
  payload: InferencePayload;
  /** Whose they are, in turn. */
  userIds: readonly string[];
  /** They wait for their fair turn instead of being published. */
  isParked?: boolean;
}

/**
 * Adds so many queued requests: rows, and sealed, confirmed messages where they are not parked, by the
 * gateway's own functions, without HTTP, counting and holds. Their holds come to be when Redis loads their
 * users, so it must not know these yet.
 */
export async function fillBacklog(
  { stack: { books, config } }: Pick<Session, "stack">,
  { payload, userIds, isParked = false }: Backlog,
  filling: Pick<Filling, "to" | "say">,
): Promise<void> {
  const sealer = createSealer(config.secrets.encryption_keys);
  const publisher = createPublisher(books.broker, PUBLISHER);
  const content = encodeJson(payload);
  const publisherId = crypto.randomUUID();

  function make(n: number): NewRequest {
    const createdAtMs = Date.now();
    const head = {
      requestId: randomUUIDv7(),
      userId: userIds[n % userIds.length] ?? "",
      model: config.default_model,
      windowDay: dayOf(createdAtMs),
      estimatedTokens: ESTIMATED_TOKENS,
      createdAtMs,
      expiresAtMs: createdAtMs + HOUR_MS,
    };
    return {
      head,
      publisherId,
      prompt: sealer.seal(content, head, "prompt"),
      metadata: null,
      acceptUntilMs: createdAtMs + CONFIRM_MS,
      idempotency: null,
      priority: "normal",
      isParked,
    };
  }

  try {
    await inParts({ ...filling, size: 500, lanes: 4 }, async (first, end) => {
      const rows = Array.from({ length: end - first }, (_, i) => make(first + i));
      await insertRequests(books.database, rows);
      if (isParked) return;
      const messages = rows.map(({ head, prompt }) =>
        encodeRequest({ head, attempt: 1, payload: prompt }),
      );
      const queue = books.queues.requests.name;
      await Promise.all(messages.map((message) => publisher.publish(queue, message)));
    });
  } finally {
    await publisher.close();
  }
}
