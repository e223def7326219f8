import { createSealer, generateEncryptionKey } from "../../adapters/crypto/envelope.ts";
import { createKeyHash, generateApiKey } from "../../adapters/crypto/key-hash.ts";
import { checkApiKey } from "../../core/api-key.ts";
import { keep, measureAll, type Micro } from "./measure.ts";

const sealer = createSealer(generateEncryptionKey("k1"));
const owner = { userId: crypto.randomUUID(), requestId: crypto.randomUUID() };
const hash = createKeyHash("p".repeat(43));
const apiKey = generateApiKey();

function sealing(bytes: number): Micro[] {
  const content = new Uint8Array(bytes).fill(97);
  const sealed = sealer.seal(content, owner, "prompt");
  return [
    {
      name: `seal ${bytes} bytes`,
      run: (times) => {
        for (let i = 0; i < times; i += 1) keep(sealer.seal(content, owner, "prompt"));
      },
    },
    {
      name: `open ${bytes} bytes`,
      run: (times) => {
        for (let i = 0; i < times; i += 1) keep(sealer.open(sealed, owner, "prompt"));
      },
    },
  ];
}

await measureAll([
  ...sealing(200),
  ...sealing(2_048),
  ...sealing(16_384),
  {
    name: "check the form of an API key",
    run: (times) => {
      for (let i = 0; i < times; i += 1) keep(checkApiKey(apiKey));
    },
  },
  {
    name: "hash an API key",
    run: (times) => {
      for (let i = 0; i < times; i += 1) keep(hash(apiKey));
    },
  },
]);
