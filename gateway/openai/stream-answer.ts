import type { DeltaEntry } from "../../core/request/delta-entry.ts";
import { epochOf, FIRST_POSITION } from "../../core/request/delta-entry.ts";
import { Fault, toFault } from "../../core/faults.ts";
import { writeJson } from "../../core/json/json-text.ts";
import { pause } from "../../runtime/schedule.ts";
import { openAiError } from "../http/openai-error.ts";
import type { GatewayPorts } from "../ports.ts";
import type { RequestView } from "../read/request-view.ts";
import { createDelivered } from "../stream/delivered.ts";
import { type EventWriter, eventStream } from "../stream/event-stream.ts";
import type { Follower, Followers } from "../stream/followers.ts";
import type { DoorCall, HeldRequest, HoldCalls } from "./hold-call.ts";
import { choicesOf, faultOf, headOf, receiptOf, usageOf } from "./replies.ts";

/** Proxies and SDKs take a silent connection for dead. */
const HEARTBEAT_MS = 10_000;
/** Longer than any request may wait and run. */
const FOR_EVER_MS = 14 * 86_400_000;

const OBJECTS = { chat: "chat.completion.chunk", completions: "text_completion" } as const;
type StreamedDoor = keyof typeof OBJECTS;

/** Answers calls in pieces as they are made. */
export interface StreamAnswers {
  /** @throws {Fault} OVERLOADED, CONCURRENCY_EXCEEDED: too many read along already */
  checkRoom: (userId: string) => void;
  answer: (
    call: DoorCall,
    held: HeldRequest,
    options: { headers: Record<string, string>; includeUsage: boolean },
  ) => Response;
}

type Ports = Pick<GatewayPorts, "config" | "now" | "schedule">;

/** An answer was begun, its worker died, and the model cannot go on from what was said. */
const BROKEN = (requestId: string) =>
  new Fault(
    "UPSTREAM_FAILED",
    `the answer broke off and is made again as a whole: read it at /status/${requestId}`,
  );

export function createStreamAnswers(
  ports: Ports,
  calls: Pick<HoldCalls, "waitFor">,
  followers: Followers,
): StreamAnswers {
  const readers = createReaders(ports);

  function answerCall(
    call: DoorCall,
    { request }: HeldRequest,
    { headers, includeUsage }: { headers: Record<string, string>; includeUsage: boolean },
  ): Response {
    const door: StreamedDoor = call.ask.door === "completions" ? "completions" : "chat";
    const gone = new AbortController();
    const { signal } = gone;
    call.signal.addEventListener("abort", () => gone.abort(), { once: true });
    if (call.signal.aborted) gone.abort();

    async function run(writer: EventWriter): Promise<void> {
      const answer = createAnswer(writer, door, request.requestId, request.model, ports.now());
      const over = new AbortController();
      const leave = readers.enter(call.principal.userId);
      void beat(writer, over.signal);
      const ref = { requestId: request.requestId, userId: call.principal.userId };
      const broken = new AbortController();
      const follower: Follower = {
        ref,
        after: FIRST_POSITION,
        isReady: writer.isReady,
        onEntries: (entries) => {
          if (!answer.take(entries)) broken.abort();
        },
      };
      const stop = followers.follow(follower);
      try {
        const waiting = { ...call, signal: AbortSignal.any([signal, broken.signal]) };
        const view = await calls.waitFor(
          // Who has read a part does not come back by themselves.
          { ...waiting, hasRead: answer.hasBegun },
          request,
          FOR_EVER_MS,
        );
        if (broken.signal.aborted) throw BROKEN(request.requestId);
        await catchUp(follower, writer, signal);
        answer.end(view, includeUsage);
      } catch (error) {
        answer.fail(toFault(error));
      } finally {
        leave();
        stop();
        over.abort();
      }
    }

    return eventStream(headers, run, () => gone.abort());
  }

  async function beat(writer: EventWriter, signal: AbortSignal): Promise<void> {
    writer.write(": the request is accepted\n\n");
    while (!signal.aborted) {
      await pause(ports.schedule, HEARTBEAT_MS, signal);
      if (!signal.aborted) writer.write(": wait\n\n");
    }
  }

  /** A slow reader gets all of it in its own time. */
  async function catchUp(follower: Follower, writer: EventWriter, signal: AbortSignal) {
    for (;;) {
      await followers.catchUp(follower);
      if (writer.isReady() || signal.aborted) return;
      await pause(ports.schedule, 50, signal);
    }
  }

  return { checkRoom: readers.check, answer: answerCall };
}

/** Counts those who read along. */
function createReaders({ config }: Pick<Ports, "config">) {
  const byUser = new Map<string, number>();
  let all = 0;

  return {
    check(userId: string): void {
      const { streams_max: max, user_streams_max: userMax } = config().openai;
      if (all >= max) throw new Fault("OVERLOADED", "too many streams are open at this gateway");
      if ((byUser.get(userId) ?? 0) >= userMax)
        throw new Fault(
          "CONCURRENCY_EXCEEDED",
          `you may have ${userMax} streams open at a gateway`,
        );
    },
    /** Returns how to leave. */
    enter(userId: string): () => void {
      all += 1;
      byUser.set(userId, (byUser.get(userId) ?? 0) + 1);
      return () => {
        all -= 1;
        const left = (byUser.get(userId) ?? 1) - 1;
        if (left > 0) byUser.set(userId, left);
        else byUser.delete(userId);
      };
    },
  };
}

/** Writes an answer in OpenAI's pieces. */
function createAnswer(
  writer: EventWriter,
  door: StreamedDoor,
  requestId: string,
  model: string,
  createdAtMs: number,
) {
  const { id, ...head } = headOf(door, { requestId, createdAtMs, model });
  const delivered = createDelivered();
  let epoch = 0;
  let hasBegun = false;

  const send = (event: object): void => writer.write(`data: ${writeJson(event)}\n\n`);
  const chunk = (more: object): void => send({ id, object: OBJECTS[door], ...head, ...more });

  return {
    hasBegun: () => hasBegun,
    /** Returns whether these can follow what was sent. */
    take(entries: readonly DeltaEntry[]): boolean {
      for (const { position, pieces } of entries) {
        if (epochOf(position) !== epoch) {
          if (delivered.hasSaid()) return false;
          if (epoch > 0) delivered.beginAnew();
          epoch = epochOf(position);
        }
        for (const piece of pieces ?? []) {
          hasBegun = true;
          chunk({ choices: delivered.take(piece) });
        }
      }
      return true;
    },
    end(view: RequestView, includeUsage: boolean): void {
      if (view.state !== "completed") throw faultOf(view);
      const rest = delivered.restOf(choicesOf(view), door === "chat" ? "chat" : "text");
      if (rest === null) throw BROKEN(requestId);
      if (rest.text !== "[]") chunk({ choices: rest });
      if (includeUsage) chunk({ choices: [], usage: usageOf(view), tollgate: receiptOf(view) });
      writer.write("data: [DONE]\n\n");
    },
    fail(fault: Fault): void {
      send({ error: openAiError(fault, fault.message) });
    },
  };
}
