/** RabbitMQ that takes less than Tollgate was told, so that it closes the channel of who publishes more. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { purge } from "../../adapters/amqp/inspect.ts";
import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import { requestOf, SIGNATURES } from "../support/message-samples.ts";
import { type PrivateRabbitmq, startPrivateRabbitmq } from "../support/private-rabbitmq.ts";
import { hasServerPrograms } from "../support/private-servers.ts";
import { serverUrls } from "../support/servers.ts";
import { startTestStack, type TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 30_000;
const MESSAGE_BYTES_MAX = 50_000;
/** Of some 63,000 bytes and far fewer tokens. */
const LONG_PROMPT = { prompt: " internationalization".repeat(3_000), max_tokens: 16 };
/** Of more than 100,000 bytes, as the simulator writes. */
const LONG_RESULT = { prompt: "all that you know", max_tokens: 4_096, n: 8 };
const ALL_COMPLETED = Array.from({ length: 20 }, () => "completed" as const);
const ALL_CONFIRMED = Array.from({ length: 20 }, () => "confirmed");
const SHORT = { prompt: "hello", max_tokens: 16 };

describe.skipIf(!hasServerPrograms())("what is too large for the broker", () => {
  let rabbitmq: PrivateRabbitmq | undefined;
  let running: TestStack | undefined;
  beforeAll(async () => {
    rabbitmq = await startPrivateRabbitmq([`max_message_size = ${MESSAGE_BYTES_MAX}`]);
    running = await startTestStack({
      servers: { ...serverUrls(), amqp: rabbitmq.url },
      simulator: { output_tokens_min: 4_096, output_tokens_max: 4_096 },
    });
  }, START_LIMIT_MS);
  afterAll(async () => {
    await running?.stop();
    await rabbitmq?.remove();
  }, STOP_LIMIT_MS);

  function stackOf(): TestStack {
    if (running === undefined) throw new Error("the stack did not start");
    return running;
  }

  /** Posts it among short requests; returns its end, when all have ended, and theirs. */
  async function postAmongOthers(user: TestUser, body: typeof SHORT) {
    const api = stackOf().api(user);
    const bodies = Array.from({ length: 21 }, (_, index) => (index === 10 ? body : SHORT));
    const accepted = await Promise.all(bodies.map((one) => api.generate(one)));
    const ends = await Promise.all(accepted.map((one) => api.untilEnded(one.request_id)));
    const end = ends[10];
    await stackOf().books.untilQuiet();
    return { end, others: ends.filter((one) => one !== end).map(({ status }) => status) };
  }

  const ledgerOf = ({ userId }: TestUser) =>
    stackOf().books.database.run(
      "read what failed of a user",
      (sql) => sql<{ tokens: number; executions: number }[]>`
        select total_tokens as tokens, executions
        from token_logs
        where user_id = ${userId}
          and usage_source = 'failed'`,
    );

  async function expectBooksAgree(): Promise<void> {
    const { differences, holdsOpen } = await stackOf().books.audit();
    expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
  }

  test("a prompt: its request alone fails, says so, and is neither executed nor billed", async () => {
    const user = await stackOf().addUser();

    const { end, others } = await postAmongOthers(user, LONG_PROMPT);

    expect(end).toMatchObject({
      status: "failed",
      attempts: 0,
      error: {
        code: "MESSAGE_TOO_LARGE",
        message: expect.stringMatching(/^the request has \d+ bytes; the queue takes fewer$/),
      },
    });
    expect(others).toEqual(ALL_COMPLETED);
    expect(await ledgerOf(user)).toHaveLength(0);
    await expectBooksAgree();
  });

  test("a result: its request alone fails, executed once, booked without tokens", async () => {
    const user = await stackOf().addUser();
    const { calls: before } = await stackOf().simulator.stats();

    const { end, others } = await postAmongOthers(user, LONG_RESULT);

    expect(end).toMatchObject({
      status: "failed",
      attempts: 1,
      error: {
        code: "MESSAGE_TOO_LARGE",
        message: expect.stringMatching(/^the result has \d+ bytes; the queue takes fewer$/),
      },
    });
    expect(others).toEqual(ALL_COMPLETED);
    expect([...(await ledgerOf(user))]).toEqual([{ tokens: 0, executions: 1 }]);
    expect((await stackOf().simulator.stats()).calls - before).toBe(21);
    expect(await stackOf().books.depths()).toMatchObject({ "inference_requests.dead": 1 });
    await expectBooksAgree();
  });

  test("a message: the broker refuses it once, then it is not sent, and its neighbours arrive", async () => {
    const { broker, queues } = stackOf().books;
    const publisher = createPublisher(broker, {
      channels: 1,
      messagesMax: 500,
      bytesMax: 8_388_608,
      confirmTimeoutMs: 5_000,
      signatures: SIGNATURES,
    });
    const large = encodeRequest(requestOf(MESSAGE_BYTES_MAX + 1));
    await purge(broker, queues.resultsDead.name);

    const first = await outcomesAmongOthers(publisher, queues.resultsDead.name, large);
    const second = await outcomesAmongOthers(publisher, queues.resultsDead.name, large);

    // What was under way with it may have arrived, which nobody knows.
    expect(first.large).toBe("MESSAGE_TOO_LARGE");
    expect(
      first.others.filter((code) => code !== "BROKER_UNAVAILABLE" && code !== "confirmed"),
    ).toEqual([]);
    expect(second).toEqual({ large: "MESSAGE_TOO_LARGE", others: ALL_CONFIRMED });
    const atLimit = encodeRequest(requestOf(MESSAGE_BYTES_MAX));
    expect(await outcomeOf(publisher.publish(queues.resultsDead.name, atLimit))).toBe("confirmed");
    await publisher.close();
    await purge(broker, queues.resultsDead.name);
  });
});

const outcomeOf = (publish: Promise<void>): Promise<unknown> =>
  publish.then(
    () => "confirmed",
    (error: { code?: unknown }) => error.code,
  );

async function outcomesAmongOthers(
  publisher: Publisher,
  queue: string,
  large: ReturnType<typeof encodeRequest>,
): Promise<{ large: unknown; others: unknown[] }> {
  const publish = (message: typeof large) => outcomeOf(publisher.publish(queue, message));
  const small = () => publish(encodeRequest(requestOf(10)));
  const before = Array.from({ length: 10 }, small);
  const between = publish(large);
  const after = Array.from({ length: 10 }, small);
  return { large: await between, others: await Promise.all([...before, ...after]) };
}
