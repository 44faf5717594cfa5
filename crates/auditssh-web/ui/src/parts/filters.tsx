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

/** Filters whose values stand in the address bar; a change is there a moment after it is made. */
export function Filters(props: {
  address: URL;
  label: string;
  fields: Field[];
  checks?: { name: string; label: string }[];
}) {
  const { address, fields, checks = [] } = props;
  const timer = useRef(0);
  const query = address.searchParams;
  const set = [...fields, ...checks].filter(({ name }) => query.get(name)).length;
  const [open, setOpen] = useState(set > 0);
  useEffect(() => () => window.clearTimeout(timer.current), []);

  const change = (name: string, value: string, wait: number) => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => go(changed({ [name]: value, page: null }), "replace"), wait);
  };
  const clear = () => {
    const names = [...fields, ...checks].map(({ name }) => [name, null] as const);
    go(changed({ ...Object.fromEntries(names), page: null }), "replace");
  };
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
              value={shown(field, query.get(field.name) ?? "")}
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
                checked={query.get(name) === "true"}
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
  if (first?.offsetParent === null) document.querySelector<HTMLElement>(".filters-toggle")?.click();
  requestAnimationFrame(() => first?.focus());
}

function shown(field: Field, value: string): string {
  return field.kind === "time" ? toInput(value) : value;
}
