import { createFakeClock } from "../support/clock.ts";
import { createFakeMlService, type FakeCall } from "../support/fakes/ml-service.ts";
import { ML_MODEL, ML_PAYLOAD } from "../support/ml-server.ts";
import { describeMlContract, type MlCall } from "./ml.ts";

describeMlContract("the fake", async () => {
  const clock = createFakeClock(0);
  let onCall: (call: FakeCall) => void = () => {};
  const { infer, calls } = createFakeMlService(clock.schedule, (call) => onCall(call));
  return {
    infer,
    config: { ...ML_MODEL, url: "http://127.0.0.1:1/" },
    payload: ML_PAYLOAD,
    nextCall: () =>
      new Promise((resolve) => {
        onCall = (call) => resolve(callOf(call));
      }),
    callsSoFar: () => calls.length,
    pass: clock.advance,
    stop: async () => {},
  };
});

function callOf({ reply, signal }: FakeCall): MlCall {
  const message = "the ML service replied with status 429";
  return {
    reply: (texts, usage) => {
      const choices = texts.map((text, index) => ({ index, text, finish_reason: "stop" }));
      reply({ ok: true, choices, usage });
    },
    refuseAsBusy: (retryAfterMs) =>
      reply({ ok: false, code: "UPSTREAM_BUSY", message, retryAfterMs }),
    isGone: new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
  };
}
