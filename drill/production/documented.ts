import { readFileSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import type { Step } from "./steps.ts";

/**
 * The commands of a section of a page: its shell blocks, and what stands in its text as `kubectl …`, in the
 * order in which a reader meets them.
 */
export function commandsOf(markdown: string, heading: string): string[] {
  const section = sectionOf(markdown, heading);
  const found = section.matchAll(/^( *)```sh\n([\s\S]*?)^ *```|`(kubectl [^`]+)`/gm);
  return [...found].map(([, indent = "", block, inline = ""]) =>
    block === undefined
      ? inline.replaceAll(/\s+/g, " ")
      : block.replaceAll(new RegExp(`^${indent}`, "gm"), "").trim(),
  );
}

function sectionOf(markdown: string, heading: string): string {
  const start = markdown.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`the page has no section ${heading}`);
  const level = heading.split(" ")[0]?.length ?? 0;
  const rest = markdown.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level}} `, "m"));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The one command that contains a text. @throws when there is none, or another one */
export function commandWith(commands: readonly string[], text: string): string {
  const found = commands.filter((command) => command.includes(text));
  if (found.length !== 1 || found[0] === undefined)
    throw new Error(`${found.length} commands of the page have: ${text}`);
  return found[0];
}

/** The command of a step, with what a reader fills in; all blanks are to be filled. */
export function commandOf(
  { page, section, text, blanks = [] }: Step,
  fillIn: Readonly<Record<string, string>> = {},
): string {
  const markdown = readFileSync(join(PROJECT_ROOT, "docs", page), "utf8");
  let command = commandWith(commandsOf(markdown, section), text);
  for (const blank of blanks) {
    if (!command.includes(blank)) throw new Error(`${text}: the page no longer has ${blank}`);
    command = command.replaceAll(blank, fillIn[blank] ?? blank);
  }
  return command;
}
