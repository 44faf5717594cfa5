import type { ComponentChildren } from "preact";
import { visible } from "../visible";
import { Icon } from "./icon";

/** Says that something went wrong, and offers to try again. */
export function Failure({ text, onAgain }: { text: string; onAgain?: () => void }) {
  return (
    <div class="notice bad" role="alert">
      <Icon name="warn" />
      <p>{visible(text)}</p>
      {onAgain && (
        <button type="button" onClick={onAgain}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Says that there is nothing, and why. */
export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

/** Says how many more there are than are shown. */
export function More({ more }: { more: number | undefined }) {
  if (!more) return null;
  return <p class="nothing">… and {more.toLocaleString("en")} more, which are in the downloads.</p>;
}

/** What comes and goes is read out to those who do not see it. */
export function Status({ children }: { children: ComponentChildren }) {
  return (
    <p class="sr" role="status">
      {children}
    </p>
  );
}
