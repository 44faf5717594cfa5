import type { ComponentChildren } from "preact";

/** A page of several. */
export interface Tab {
  name: string;
  title: string;
  count?: number;
}

/** Several pages in one place (the tabs pattern of ARIA). */
export function Tabs(props: {
  label: string;
  tabs: Tab[];
  current: string;
  onChoose: (name: string) => void;
  children: ComponentChildren;
}) {
  const { tabs, current, onChoose } = props;
  const move = (event: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.name === current);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = tabs[(next + tabs.length) % tabs.length];
    if (!tab) return;
    onChoose(tab.name);
    document.getElementById(`tab-${tab.name}`)?.focus();
  };
  return (
    <section class="tabs">
      <div role="tablist" aria-label={props.label} onKeyDown={move}>
        {tabs.map(({ name, title, count }) => (
          <button
            key={name}
            id={`tab-${name}`}
            type="button"
            role="tab"
            aria-selected={name === current}
            aria-controls="tab-page"
            tabIndex={name === current ? 0 : -1}
            onClick={() => onChoose(name)}
          >
            {title}
            {count !== undefined && count > 0 && <span class="count">{count}</span>}
          </button>
        ))}
      </div>
      <div id="tab-page" class="tab-page" role="tabpanel" aria-labelledby={`tab-${current}`} tabIndex={0}>
        {props.children}
      </div>
    </section>
  );
}
