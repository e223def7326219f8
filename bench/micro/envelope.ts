import { createSealer, generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import { createKeyHash, generateApiKey } from "../../adapters/crypto/key-hash.ts";
import { checkApiKey } from "../../core/api-key.ts";
import { measureAll, type Micro } from "./measure.ts";

const sealer = createSealer(generateEncryptionKey("k1"));
const owner = { userId: crypto.randomUUID(), requestId: crypto.randomUUID() };
const hash = createKeyHash("p".repeat(43));
const apiKey = generateApiKey();

const sealing = [200, 2_048, 16_384].flatMap((bytes): Micro[] => {
  const content = new Uint8Array(bytes).fill(97);
  const sealed = sealer.seal(content, owner, "prompt");
  return [
    [`seal ${bytes} bytes`, () => sealer.seal(content, owner, "prompt")],
    [`open ${bytes} bytes`, () => sealer.open(sealed, owner, "prompt")],
  ];
});

await measureAll([
  ...sealing,
  ["check the form of an API key", () => checkApiKey(apiKey)],
  ["hash an API key", () => hash(apiKey)],
]);
