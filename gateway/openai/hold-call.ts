import { Fault } from "../../core/faults.ts";
import type { QuotaUse } from "../../core/quota/quota.ts";
import type { Ask } from "../../core/request/ask.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import type { Accept, AcceptedRequest } from "../accept/accept.ts";
import type { BrokenCalls } from "../accept/broken-calls.ts";
import { fingerprintOf } from "../accept/idempotency.ts";
import { quotaFault } from "../http/quota-fault.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import type { Cancel } from "../read/cancel.ts";
import type { RequestView } from "../read/request-view.ts";
import type { StatusReader } from "../read/status.ts";

/** A call of the OpenAI door. */
export interface DoorCall {
  principal: Principal;
  ask: Ask;
  bodyBytes: number;
  /** null: the caller gave none. */
  idempotencyKey: string | null;
  /** How often its client has repeated it by itself; null: it does not count. */
  tries: number | null;
  onDisconnect: "cancel" | "keep";
  /** Aborts when the caller has gone. */
  signal: AbortSignal;
  /** Whether the caller has had a part of the answer: then no SDK calls again by itself. */
  hasRead?: () => boolean;
}

/** The request of a call, made now or by an earlier try. */
export interface HeldRequest {
  request: AcceptedRequest;
  /** Whether it had ended before this call. */
  hasEnded: boolean;
  /** Its state, when it was made now. */
  quota: QuotaUse | null;
}

/** Calls that stay open until their request has ended. */
export interface HoldCalls {
  /**
   * Makes the request of a call, or finds the one that an earlier try made.
   *
   * @throws {Fault} as `Accept`, and QUOTA_EXCEEDED and its like
   */
  begin: (call: DoorCall) => Promise<HeldRequest>;
  /**
   * Waits for its end, at most `waitMs` (null: however long that takes) or until the signal aborts, and lets
   * it go.
   *
   * @throws {Fault} as `StatusReader`
   */
  waitFor: (call: DoorCall, request: AcceptedRequest, wait: CallWait) => Promise<RequestView>;
  /** The stream of a call broke off, and its request goes on: who calls again shall find it. */
  tellBroken: (call: DoorCall) => void;
}

export interface CallWait {
  waitMs: number | null;
  /** Default: the signal of the call. */
  until?: AbortSignal;
  /** Brings the answer to its caller. Throws when that cannot be: then its caller has not had it. */
  deliver?: (view: RequestView) => Promise<void>;
}

type Ports = Pick<
  GatewayPorts,
  "config" | "log" | "schedule" | "reach" | "hashKey" | "letGoCall" | "isCallHeld"
>;

interface CallWays {
  accept: Accept;
  status: StatusReader;
  cancel: Cancel;
  broken: Pick<BrokenCalls, "tell">;
}

export function createHoldCalls(
  ports: Ports,
  { accept, status, cancel, broken }: CallWays,
): HoldCalls {
  async function cancelUnlessBack(ref: RequestRef, tier: string | null): Promise<void> {
    try {
      if (await ports.isCallHeld(ref)) return;
      await cancel({ ...ref, tier }, 0, new AbortController().signal);
    } catch (error) {
      // It has ended meanwhile, or a server is away: then it runs, and is billed for what it uses.
      if (error instanceof Fault && error.code === "REQUEST_TERMINAL") return;
      const { requestId } = ref;
      ports.log.warn({ err: error, request_id: requestId }, "cannot cancel for a caller who left");
    }
  }

  /** Nobody waits here any more. If its caller has gone and does not come back, it is cancelled or kept. */
  async function letGo(
    { principal, onDisconnect, signal, idempotencyKey, hasRead }: DoorCall,
    { requestId }: AcceptedRequest,
    hasEnded: boolean,
  ): Promise<void> {
    if (hasEnded) ports.reach("G7");
    const ref = { requestId, userId: principal.userId };
    if (idempotencyKey === null) {
      const isAnswered = hasEnded && !signal.aborted;
      await ports.letGoCall({ ...ref, isAnswered }).catch((error: unknown) => {
        ports.log.warn({ err: error, request_id: requestId }, "cannot let a call go");
      });
    }
    if (hasEnded || !signal.aborted || onDisconnect === "keep") return;
    const { disconnect_grace_ms: graceMs } = ports.config().openai;
    const waitMs = hasRead?.() === true ? 0 : graceMs;
    ports.schedule(() => void cancelUnlessBack(ref, principal.tier), waitMs);
  }

  return {
    async begin({ principal, ask, bodyBytes, idempotencyKey, tries }) {
      const call = { principal, ask, bodyBytes, idempotencyKey };
      const outcome = await accept(idempotencyKey === null ? { ...call, held: { tries } } : call);
      if (outcome.kind === "refused") throw quotaFault(outcome.quota, outcome.estimatedTokens);
      const { request } = outcome;
      if (outcome.kind === "accepted") return { request, hasEnded: false, quota: outcome.quota };
      return { request, hasEnded: isTerminal(outcome.request.state), quota: null };
    },
    tellBroken({ principal: { userId }, ask, idempotencyKey }) {
      // A key finds it anyway.
      if (idempotencyKey !== null) return;
      broken.tell({ userId, fingerprint: fingerprintOf(ask, ports.hashKey) });
    },
    async waitFor(call, request, { waitMs, until = call.signal, deliver }) {
      const { userId, tier } = call.principal;
      const { requestId } = request;
      let hasEnded = false;
      try {
        const lookup = { requestId, userId, tier };
        const view =
          waitMs === null
            ? await status.readAtEnd(lookup, until)
            : await status.readAfter(lookup, waitMs, until);
        await deliver?.(view);
        hasEnded = isTerminal(view.state);
        return view;
      } finally {
        const lettingGo = letGo(call, request, hasEnded);
        // Whoever is told to come again must find it free; whoever has their answer need not wait for that.
        if (!hasEnded) await lettingGo;
      }
    },
  };
}
