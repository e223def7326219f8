import type { Component } from "../../../local/stack/component.ts";

/** Starts ended processes again, as an orchestrator would. */
export interface Watch {
  restarts: () => number;
  /** Stops watching; what had ended runs again when this resolves. */
  stop: () => Promise<void>;
}

const LOOK_MS = 300;

export function watchComponents(components: readonly Component[]): Watch {
  let restarts = 0;
  const stopping = new AbortController();

  async function keep(component: Component): Promise<void> {
    while (!stopping.signal.aborted) {
      await Bun.sleep(LOOK_MS);
      await revive(component);
    }
    component.signal("SIGCONT");
    await revive(component);
  }

  async function revive(component: Component): Promise<void> {
    if (component.isRunning() || component.isStarting()) return;
    restarts += 1;
    // It may end again at once, because what it needs is away; the next look tries again.
    await component.start().catch(() => {});
  }

  const kept = components.map(keep);
  return {
    restarts: () => restarts,
    stop: async () => {
      stopping.abort();
      await Promise.all(kept);
    },
  };
}
