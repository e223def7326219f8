import { expect, test } from "bun:test";

import { commandOf, commandsOf, commandWith } from "./documented.ts";
import { SHIPPED_OVERLAY, STEPS, type StepName } from "./steps.ts";

const PAGE = `# Page

## Before

\`kubectl get nothing\`

## Production

1. Do this, then \`kubectl get a
   --of b\` and wait:

   \`\`\`sh
   # Why.
   kubectl get c \\
     --of d
   \`\`\`

### Later

\`kubectl get e\`

## After

\`kubectl get f\`
`;

test("a section's commands are its shell blocks and inline commands, in order", () => {
  expect(commandsOf(PAGE, "## Production")).toEqual([
    "kubectl get a --of b",
    "# Why.\nkubectl get c \\\n  --of d",
    "kubectl get e",
  ]);
  expect(commandsOf(PAGE, "### Later")).toEqual(["kubectl get e"]);
});

test("a command that is gone from the page, or is there twice, is an error", () => {
  const commands = commandsOf(PAGE, "## Production");

  expect(commandWith(commands, "get c")).toContain("--of d");
  expect(() => commandWith(commands, "get f")).toThrow("0 commands");
  expect(() => commandWith(commands, "kubectl")).toThrow("3 commands");
});

test.each(Object.keys(STEPS) as StepName[])("the documentation has the step: %s", (name) => {
  expect(commandOf(STEPS[name])).toStartWith("kubectl ");
});

test("what a reader fills in takes the place of the blank", () => {
  const command = commandOf(STEPS.apply, { [SHIPPED_OVERLAY]: "mine" });

  expect(command).toBe("kubectl apply -k mine");
});
