import { sheet } from "../parts/styles.js";

export const listSheet = sheet(`
dialog:not(.confirm) { --width: 60rem; height: 56rem; }
dialog:not(.confirm) > .body { position: relative; display: flex; flex-direction: column; overflow: hidden; padding: 0; container-type: inline-size; }
dialog > footer { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0.625rem 1rem; }

.toolbar { display: flex; flex-wrap: wrap; align-items: center; gap: 0.625rem 0.875rem; padding: 0.25rem 1.5rem 0.875rem; }
.toolbar > .search { flex: 1 1 16rem; }
.toolbar > .sort { display: flex; align-items: center; gap: 0.5rem; }
.toolbar > .sort > select { width: auto; }
.segments { position: relative; display: flex; padding: 0.1875rem; border-radius: calc(var(--radius) * 0.6); background: var(--tint); border: 1px solid var(--line); }
.segments > label { position: relative; cursor: pointer; }
.segments input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: inherit; }
.segments span { display: grid; place-items: center; min-height: 1.875rem; padding: 0.125rem 0.875rem; border-radius: calc(var(--radius) * 0.45); color: var(--muted); font-weight: 550; }
.segments input:checked + span { background: var(--surface); color: var(--text); box-shadow: 0 1px 3px rgb(0 0 0 / 0.18), 0 0 0 1px var(--line); }
.segments input:focus-visible + span { outline: 2px solid var(--accent); outline-offset: 1px; }

.scroller { position: relative; flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; border-top: 1px solid var(--line); transition: opacity 0.15s 0.2s; }
.scroller[aria-busy="true"] > .rows { opacity: 0.55; }
.selection {
  position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; align-items: center; gap: 0.375rem 1rem; min-height: 3.25rem;
  padding: 0.375rem 1.5rem; background: var(--surface); border-bottom: 1px solid var(--line);
}
.selection.some { background: var(--accent-tint); }
.selection > .pick-all { display: flex; align-items: center; gap: 0.75rem; cursor: pointer; min-height: 2.5rem; color: var(--muted); }
.selection > .count { font-weight: 550; }
.selection > .buttons { margin-inline-start: auto; display: flex; gap: 0.5rem; }
:is(.pick, .pick-all) > input { flex: none; width: 1.125rem; height: 1.125rem; margin: 0; }

.row { border-bottom: 1px solid var(--line); }
.row:last-child { border-bottom: 0; }
.row.selected { background: var(--accent-tint); }
.row[aria-busy="true"] .switches { opacity: 0.6; }
.summary { display: grid; grid-template-columns: auto minmax(0, 1fr) auto auto; align-items: start; gap: 0.25rem 1.25rem; padding: 0.875rem 1.5rem; }
.pick { display: grid; justify-items: start; padding-block: 0.125rem 0.5rem; padding-inline-end: 0.5rem; margin-inline-end: -0.5rem; cursor: pointer; }
.what { display: grid; gap: 0.1875rem; min-width: 0; }
.what > h3 { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.what > .note { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; color: var(--muted); font-size: 0.875rem; }
.what > .access { display: flex; align-items: flex-start; gap: 0.4375rem; font-size: 0.875rem; }
.what > .access > .icon { width: 1.0625rem; height: 1.0625rem; margin-top: 0.09375rem; color: var(--muted); }
.what > .access[data-access="anyone"] > .icon { color: var(--accent); }
.what > .meta > .activity:not(:empty)::before { content: "\u00a0· "; }
.limited { display: grid; gap: 0.25rem; margin-top: 0.1875rem; font-size: 0.8125rem; }
.limited > p { display: flex; gap: 0.4375rem; width: fit-content; padding: 0.1875rem 0.625rem 0.1875rem 0.4375rem; border-radius: 0.5rem; background: var(--tint); }
.limited .icon { width: 1rem; height: 1rem; margin-top: 0.0625rem; }
.row .switches { display: grid; gap: 0.625rem; min-width: 7rem; padding-top: 0.125rem; }
.row .switches .name { font-weight: 400; font-size: 0.875rem; }
.row .switches .hint { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.summary > .buttons { display: grid; gap: 0.375rem; }
.summary > .buttons > button { min-height: 2.125rem; padding-block: 0.25rem; font-size: 0.875rem; }
.more[aria-expanded="true"] > .icon { transform: rotate(180deg); }
.row > [role="alert"] > .alert { margin-top: 0; }

.details { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 1.25rem 2rem; margin: 0 1.5rem 1.125rem; padding: 1.125rem 1.25rem; border: 1px solid var(--line); border-radius: calc(var(--radius) * 0.8); background: var(--tint); }
.details .qr { align-content: start; }
.details .tools { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0.5rem; padding-top: 1.125rem; border-top: 1px solid var(--line); }
.details .tools > .danger { margin-inline-start: auto; }
.details a.quiet { text-decoration: none; color: inherit; }

.empty { display: grid; justify-items: center; gap: 0.75rem; padding: 4rem 1.5rem; text-align: center; }
.pages { display: flex; flex-wrap: wrap; align-items: center; gap: 0.375rem; }
.pages > .place { padding-inline: 0.5rem; white-space: nowrap; }
.shown { color: var(--muted); font-size: 0.875rem; }

@container (max-width: 44rem) {
  .summary { grid-template-columns: auto minmax(0, 1fr) auto; }
  .summary > .buttons { grid-column: 2 / -1; display: flex; flex-wrap: wrap; margin-top: 0.375rem; }
  .details { grid-template-columns: minmax(0, 1fr); }
}
@container (max-width: 30rem) {
  .toolbar { padding: 0.25rem 1rem 0.75rem; }
  .toolbar > .search { flex-basis: 100%; }
  .toolbar > .sort > span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .toolbar > .segments, .toolbar > .sort, .toolbar > .sort > select { flex: 1 1 auto; }
  .segments > label { flex: 1; }
  .segments span { min-height: 2.25rem; padding-inline: 0.375rem; }
  .selection { padding-inline: 1rem; }
  .selection > .pick-all { min-height: 2.75rem; }
  .summary { grid-template-columns: auto minmax(0, 1fr); padding: 0.875rem 1rem; gap: 0.625rem 0.5rem; }
  .pick { min-width: 2.75rem; min-height: 2.75rem; margin-block-start: -0.625rem; margin-inline-start: -0.625rem; padding-block-start: 0.75rem; padding-inline-start: 0.625rem; }
  .row .switches { grid-column: 1 / -1; grid-template-columns: 1fr 1fr; gap: 0.5rem 1.5rem; }
  .summary > .buttons { grid-column: 1 / -1; display: grid; grid-template-columns: 1fr 1fr; }
  .summary > .buttons > button { min-height: 2.75rem; }
  .details { margin-inline: 1rem; padding: 1rem; }
  .details .tools > * { flex: 1 1 40%; }
}
@media (max-width: 480px) {
  /* All of it scrolls: rows need the height. */
  dialog:not(.confirm) > .body { display: block; overflow-y: auto; }
  .scroller { overflow: visible; }
  .pages { display: grid; grid-template-columns: repeat(2, 1fr) auto repeat(2, 1fr); width: 100%; }
  .pages > button { padding-inline: 0.25rem; min-width: 0; font-size: 0.875rem; }
}
`);
