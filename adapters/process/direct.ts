/**
 * Has `fetch` use no proxy. Bun takes those of HTTP_PROXY and its like for all calls, those to loopback too:
 * what is on this machine would never be reached, and prompts would go where nobody configured. `false` turns
 * it off (Bun 1.4.5, tried), which Bun's types do not know.
 */
export const DIRECT: Readonly<{ proxy: string }> = { proxy: false as unknown as string };
