import { useEffect, useRef, useState } from "preact/hooks";
import { fromInput, toInput } from "../format";
import { changed, go } from "../route";
import { Icon } from "./icon";

/** A field in which something is typed. */
export interface Field {
  name: string;
  label: string;
  hint?: string;
  kind?: "text" | "time";
}

/**
 * Filters whose values stand in the address bar; a change is there a moment after it is made.
 * Until then it is kept here, or whatever else draws the page anew would undo it.
 */
export function Filters(props: {
  address: URL;
  label: string;
  fields: Field[];
  checks?: { name: string; label: string }[];
}) {
  const { address, fields, checks = [] } = props;
  const timer = useRef(0);
  const typed = useRef<Record<string, string>>({});
  const [, setDraft] = useState(typed.current);
  const query = address.searchParams;
  const set = [...fields, ...checks].filter(({ name }) => query.get(name)).length;
  const [open, setOpen] = useState(set > 0);
  useEffect(() => () => window.clearTimeout(timer.current), []);

  const draft = (values: Record<string, string>) => {
    typed.current = values;
    setDraft(values);
  };
  const settle = (changes: Record<string, string | null>) => {
    window.clearTimeout(timer.current);
    draft({});
    go(changed({ ...changes, page: null }), "replace");
  };
  const change = (name: string, value: string, wait: number) => {
    window.clearTimeout(timer.current);
    draft({ ...typed.current, [name]: value });
    timer.current = window.setTimeout(() => settle(typed.current), wait);
  };
  const clear = () => settle(Object.fromEntries([...fields, ...checks].map(({ name }) => [name, null])));
  const current = (name: string) => typed.current[name] ?? query.get(name) ?? "";
  return (
    <form class={`filters ${open ? "open" : ""}`} role="search" aria-label={props.label} onSubmit={(e) => e.preventDefault()}>
      <button class="filters-toggle" type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="search" />
        Filters{set > 0 ? ` (${set})` : ""}
      </button>
      <div class="filters-fields">
        {fields.map((field, index) => (
          <label key={field.name} class={`field-${field.name}`}>
            {field.label}
            <input
              name={field.name}
              data-first={index === 0 ? "" : undefined}
              {...(field.kind === "time" ? ({ type: "datetime-local" } as const) : ({ type: "search" } as const))}
              placeholder={field.hint}
              autocapitalize="none"
              autocomplete="off"
              spellcheck={false}
              value={shown(field, current(field.name))}
              onInput={(event) => {
                const { value } = event.currentTarget;
                change(field.name, field.kind === "time" ? fromInput(value) : value, 300);
              }}
            />
          </label>
        ))}
        <div class="filters-checks">
          {checks.map(({ name, label }) => (
            <label key={name} class="check">
              <input
                type="checkbox"
                name={name}
                checked={current(name) === "true"}
                onChange={(event) => change(name, event.currentTarget.checked ? "true" : "", 0)}
              />
              {label}
            </label>
          ))}
          {set > 0 && (
            <button class="quiet" type="button" onClick={clear}>
              <Icon name="close" /> Clear
            </button>
          )}
        </div>
      </div>
    </form>
  );
}

/** Puts the focus into the first filter. */
export function focusFilters(): void {
  const first = document.querySelector<HTMLElement>("[data-first]");
  const isFolded = first?.offsetParent === null;
  if (isFolded) document.querySelector<HTMLElement>(".filters-toggle")?.click();
  if (isFolded) requestAnimationFrame(() => first.focus());
  else first?.focus();
}

function shown(field: Field, value: string): string {
  return field.kind === "time" ? toInput(value) : value;
}
