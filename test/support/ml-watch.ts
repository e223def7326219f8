/** A proxy in front of the ML service that remembers which chats were executed. */
export interface MlWatch {
  url: string;
  /** How often a chat whose last message says this was begun. */
  executions: (prompt: string) => number;
  /** Those that were under way at some time since then, by `performance.now()`. */
  underWaySince: (ms: number) => string[];
  stop: () => Promise<void>;
}

interface Execution {
  prompt: string;
  /** Infinity: it is under way. */
  endedAtMs: number;
}

interface Body {
  messages: { content: string }[];
}

/** The same body, with a word when all of it has been passed on. */
function whenRead(body: Response["body"], end: () => void): ReadableStream | null {
  const piped = body?.pipeThrough(new TransformStream({ flush: end })) ?? null;
  if (piped === null) end();
  return piped;
}

export function startMlWatch(serviceUrl: string): MlWatch {
  const executions: Execution[] = [];

  /** Returns what to call when it has ended. */
  function begin(prompt: string): () => void {
    const execution = { prompt, endedAtMs: Number.POSITIVE_INFINITY };
    executions.push(execution);
    return () => {
      execution.endedAtMs = performance.now();
    };
  }

  async function pass(request: Request): Promise<Response> {
    const { method, headers, signal } = request;
    const body = await request.text();
    const { messages } = JSON.parse(body) as Body;
    const end = begin(messages.at(-1)?.content ?? "");
    signal.addEventListener("abort", end, { once: true });
    const { pathname } = new URL(request.url);
    try {
      const reply = await fetch(`${serviceUrl}${pathname}`, { method, headers, body, signal });
      return new Response(whenRead(reply.body, end), reply);
    } catch {
      end();
      return new Response("its caller has gone, or the service", { status: 502 });
    }
  }

  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: pass });
  return {
    url: server.url.href.replace(/\/$/, ""),
    executions: (prompt) => executions.filter((one) => one.prompt === prompt).length,
    underWaySince: (ms) =>
      executions.filter(({ endedAtMs }) => endedAtMs > ms).map(({ prompt }) => prompt),
    stop: () => server.stop(true),
  };
}
