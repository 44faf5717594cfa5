import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icon";

/** A button that shows what is below it. */
export function Menu(props: { label: string; icon: IconName; kind?: string; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (event.target instanceof Node && !whole.current?.contains(event.target)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", escape);
    };
  }, [open]);
  return (
    <div class="menu" ref={whole}>
      <button
        ref={button}
        class={props.kind ?? ""}
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name={props.icon} />
        <span>{props.label}</span>
      </button>
      {open && (
        <div class="menu-body" onClick={() => setOpen(false)}>
          {props.children}
        </div>
      )}
    </div>
  );
}
