import { changed } from "../route";

/** Which part of a list is shown, and the ways to the others. */
export function Pager({ total, page, limit }: { total: number; page: number; limit: number }) {
  const last = Math.max(1, Math.ceil(total / limit));
  if (last === 1) return null;
  const from = (page - 1) * limit + 1;
  const to = Math.min(page * limit, total);
  const number = (value: number) => value.toLocaleString("en");
  return (
    <nav class="pager" aria-label="Pages of the list">
      {page > 1 ? (
        <a class="button" rel="prev" href={changed({ page: page > 2 ? page - 1 : null })}>
          ← Newer
        </a>
      ) : (
        <span />
      )}
      <span>
        {number(from)}–{number(to)} of {number(total)}
      </span>
      {page < last ? (
        <a class="button" rel="next" href={changed({ page: page + 1 })}>
          Older →
        </a>
      ) : (
        <span />
      )}
    </nav>
  );
}
