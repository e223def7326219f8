import type { DeadLetter } from "./dead-letters.ts";

/** Which dead letters are meant; what is absent leaves none out. */
export interface LetterFilter {
  userId?: string | undefined;
  model?: string | undefined;
  /** Of requests that were accepted before this, Unix milliseconds. */
  acceptedBeforeMs?: number | undefined;
  /** The code of the error that its headers tell. */
  code?: string | undefined;
}

/** Whether a letter is meant. One that cannot be read fits only where nothing is asked of it. */
export function fitsFilter(
  { content, error }: Pick<DeadLetter, "content" | "error">,
  { userId, model, acceptedBeforeMs, code }: LetterFilter,
): boolean {
  if (code !== undefined && error?.code !== code) return false;
  const isAnyHead = [userId, model, acceptedBeforeMs].every((wish) => wish === undefined);
  if (content.kind === "unreadable") return isAnyHead;
  const { head } = content;
  return (
    (userId === undefined || head.userId === userId) &&
    (model === undefined || head.model === model) &&
    (acceptedBeforeMs === undefined || head.createdAtMs < acceptedBeforeMs)
  );
}
