import { randomUUIDv7 } from "bun";

import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { createSealer } from "../../adapters/crypto/envelope.ts";
import { insertRequests } from "../../adapters/postgres/insert-requests.ts";
import { encodeJson, type InferencePayload } from "../../core/request/payload.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import type { Session } from "../scenarios/session.ts";
import { everyTenth, partsOf } from "./parts.ts";

const ROWS_PER_STATEMENT = 500;
/** Batches under way at once. */
const LANES = 4;
const HOUR_MS = 3_600_000;
const CONFIRM_MS = 60_000;
const ESTIMATED_TOKENS = 100;

/**
 * Adds so many queued requests: rows and sealed, confirmed messages by the gateway's own functions, without HTTP, counting and holds.
 * Their holds come to be when Redis loads their users, so it must not know these yet.
 */
export async function fillBacklog(
  { stack, users }: Session,
  count: number,
  payload: InferencePayload,
  say: (text: string) => void,
): Promise<void> {
  const { books, config } = stack;
  const sealer = createSealer(config.secrets.encryption_keys);
  const publisher = createPublisher(books.broker, {
    channels: 4,
    messagesMax: 4_000,
    bytesMax: 32 * 1024 * 1024,
    confirmTimeoutMs: CONFIRM_MS,
  });
  const content = encodeJson(payload);
  const publisherId = crypto.randomUUID();
  const tell = everyTenth(count, say);
  const parts = [...partsOf(count, ROWS_PER_STATEMENT)];
  let done = 0;

  function make(n: number): NewRequest {
    const createdAtMs = Date.now();
    const head = {
      requestId: randomUUIDv7(),
      userId: users[n % users.length]?.userId ?? "",
      model: config.default_model,
      windowDay: new Date(createdAtMs).toISOString().slice(0, 10),
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
    };
  }

  async function work(): Promise<void> {
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const [first, end] = part;
      const rows = Array.from({ length: end - first }, (_, i) => make(first + i));
      await insertRequests(books.database, rows);
      await Promise.all(
        rows.map(({ head, prompt }) =>
          publisher.publish(
            books.queues.requests.name,
            encodeRequest({ head, attempt: 1, payload: prompt }),
          ),
        ),
      );
      done += rows.length;
      tell(done);
    }
  }

  try {
    await Promise.all(Array.from({ length: LANES }, work));
  } finally {
    await publisher.close();
  }
}
