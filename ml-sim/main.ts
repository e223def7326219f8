import { parseArgs } from "node:util";

import { FAULTS } from "./faults.ts";
import { WISHES } from "./markers.ts";
import { changeSettings, SettingsError, SettingsSchema } from "./settings.ts";
import { createSimulator } from "./simulator.ts";

const PORT_DEFAULT = 9100;
/** How long open calls may go on after SIGTERM. */
const STOP_MS = 3_000;

const SETTING_NAMES = Object.keys(SettingsSchema.properties);
const flagOf = (name: string): string => name.replaceAll("_", "-");
const variableOf = (name: string): string => `ML_SIM_${name.toUpperCase()}`;

function helpText(): string {
  const settings = Object.entries(SettingsSchema.properties).map(
    ([name, { description, default: fallback }]) =>
      `  --${flagOf(name).padEnd(22)} ${description} ` +
      `(${variableOf(name)}, default ${JSON.stringify(fallback)})`,
  );
  const markers = (table: Record<string, string>): string =>
    Object.entries(table)
      .map(([name, does]) => `  ${name.padEnd(24)} ${does}`)
      .join("\n");
  return `Simulates an ML service: deterministic answers and token counts, a latency model, faults on demand.

usage: bun ml-sim/main.ts [flags]

  --host                   Address to listen on (ML_SIM_HOST, default 127.0.0.1)
  --port                   Port to listen on (ML_SIM_PORT, default ${PORT_DEFAULT})
  --tls-cert, --tls-key    Files of its certificate and private key (ML_SIM_TLS_CERT, ML_SIM_TLS_KEY)
  --tls-ca                 File of authorities; callers must show a certificate of one (ML_SIM_TLS_CA)
  --help                   This text
${settings.join("\n")}

routes: POST /v1/chat/completions, /v1/completions, /v1/embeddings, /generate {input, max_new_tokens?, n?}
        GET /v1/models, GET /health, GET /sim/stats
        GET and POST /sim/settings (a JSON object with some of the settings)

[[sim:KIND]] or [[sim:KIND:NUMBER]] in a prompt, or a header x-sim-fault: KIND:NUMBER, asks for a fault:
${markers(FAULTS)}

The same way a prompt asks for more than text:
${markers(WISHES)}

A prompt token is four characters, an output token is a word. The same prompt always gets the same answer.
`;
}

interface Inputs {
  host: string;
  port: number;
  change: Record<string, unknown>;
  tls: Bun.TLSOptions | undefined;
}

function readTls(given: (name: string) => string | undefined): Bun.TLSOptions | undefined {
  const [cert, key, ca] = [given("tls_cert"), given("tls_key"), given("tls_ca")];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new SettingsError("tls-cert and tls-key go together");
  return {
    cert: Bun.file(cert),
    key: Bun.file(key),
    ...(ca !== undefined && { ca: Bun.file(ca), requestCert: true, rejectUnauthorized: true }),
  };
}

/** A flag wins over its environment variable. Numbers and JSON come as text. */
function readInputs(): Inputs | "help" {
  const names = ["host", "port", "tls_cert", "tls_key", "tls_ca", ...SETTING_NAMES];
  const options: Record<string, { type: "string" | "boolean" }> = { help: { type: "boolean" } };
  for (const name of names) options[flagOf(name)] = { type: "string" };
  const { values } = parseArgs({ options });
  if (values["help"] === true) return "help";
  const given = (name: string): string | undefined => {
    const flag = values[flagOf(name)];
    return typeof flag === "string" ? flag : process.env[variableOf(name)];
  };
  const change: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const text = given(name);
    if (text !== undefined) change[name] = parseSetting(name, text);
  }
  const port = Number(given("port") ?? PORT_DEFAULT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new SettingsError("port: must be a whole number from 0 to 65535");
  }
  return { host: given("host") ?? "127.0.0.1", port, change, tls: readTls(given) };
}

function parseSetting(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new SettingsError(`${name}: ${text} is neither a number nor JSON`);
  }
}

function main(): void {
  const inputs = readInputs();
  if (inputs === "help") {
    process.stdout.write(helpText());
    return;
  }
  const simulator = createSimulator(changeSettings({}, inputs.change));
  const server = Bun.serve({
    hostname: inputs.host,
    port: inputs.port,
    ...(inputs.tls && { tls: inputs.tls }),
    // Waiting is what a slow model does; callers bring their own limits.
    idleTimeout: 0,
    fetch: simulator.fetch,
  });
  process.stdout.write(`ML simulator listens on ${server.url.href}\n`);

  const stop = (): void => {
    setTimeout(() => process.exit(0), STOP_MS).unref();
    void server.stop().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

try {
  main();
} catch (error) {
  const [line] = (error instanceof Error ? error.message : String(error)).split("\n");
  process.stderr.write(`ml-sim: ${line}\n`);
  process.exit(2);
}
