/** A style sheet that a shadow root adopts: no inline style, so no policy of a page forbids it. */
export function sheet(text) {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
}

/**
 * What both dialogs share. A page sets the properties --shared-chats-…; light or dark follows the
 * page's color-scheme.
 */
export const baseSheet = sheet(`
:host { display: contents; }
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
dialog {
  --accent: var(--shared-chats-accent, light-dark(#2457d6, #8db1ff));
  --on-accent: var(--shared-chats-on-accent, light-dark(#fff, #0c1730));
  --surface: var(--shared-chats-surface, light-dark(#fff, #1b1e25));
  --text: var(--shared-chats-text, light-dark(#1a1d24, #eceef3));
  --muted: var(--shared-chats-muted, light-dark(#5a6170, #a7aebd));
  --line: var(--shared-chats-line, light-dark(#dde1e8, #3a404d));
  --danger: var(--shared-chats-danger, light-dark(#b3261e, #ff9c93));
  --radius: var(--shared-chats-radius, 14px);
  --strong-line: color-mix(in srgb, var(--text) 50%, var(--surface));
  --tint: color-mix(in srgb, var(--text) 5%, var(--surface));
  --accent-tint: color-mix(in srgb, var(--accent) 9%, var(--surface));
  --danger-tint: color-mix(in srgb, var(--danger) 9%, var(--surface));
  color: var(--text);
  background: var(--surface);
  font: 400 0.9375rem/1.45 var(--shared-chats-font, system-ui, sans-serif);
  text-align: start;
  border: 0;
  padding: 0;
  border-radius: var(--radius);
  width: min(var(--width, 34rem), calc(100vw - 2rem));
  max-width: none;
  max-height: min(calc(100dvh - 3rem), 56rem);
  box-shadow: 0 0 0 1px light-dark(transparent, var(--line)), 0 24px 64px rgb(0 0 0 / 0.3);
  overflow: hidden;
  overflow-wrap: anywhere;
}
dialog[open] { display: flex; flex-direction: column; }
dialog:focus, h2:focus { outline: none; }
dialog::backdrop { background: rgb(12 15 22 / 0.55); }
h2, h3, p, ul, fieldset, legend, dl, dd { margin: 0; padding: 0; border: 0; min-width: 0; }
ul { list-style: none; }
button, input, select { font: inherit; color: inherit; letter-spacing: inherit; }
header { display: flex; align-items: flex-start; gap: 0.75rem; padding: 1.125rem 0.875rem 0.875rem 1.5rem; }
[dir="rtl"] > header { padding-inline: 1.5rem 0.875rem; }
.titles { flex: 1; min-width: 0; padding-top: 0.25rem; }
h2 { font-size: 1.1875rem; font-weight: 650; line-height: 1.3; }
h3, legend { font-size: 0.9375rem; font-weight: 600; line-height: 1.4; }
.body { flex: 1 1 auto; overflow-y: auto; overscroll-behavior: contain; padding: 0.25rem 1.5rem 1.5rem; min-height: 4rem; }
footer { border-top: 1px solid var(--line); padding: 0.875rem 1.5rem; }
.hint, .small { color: var(--muted); font-size: 0.8125rem; line-height: 1.4; }
.unseen {
  position: absolute; width: 1px; height: 1px; margin: -1px; padding: 0; border: 0;
  overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.icon { flex: none; width: 1.25rem; height: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
:is(button, select, a, input, [tabindex]):focus-visible, .switch:has(:focus-visible) .track {
  outline: 2px solid var(--accent); outline-offset: 2px;
}

button { cursor: pointer; touch-action: manipulation; }
button:disabled, [aria-disabled="true"] { cursor: not-allowed; }
.primary, .quiet, .danger {
  display: inline-flex; align-items: center; justify-content: center; gap: 0.5rem; min-height: 2.375rem; padding: 0.375rem 0.9375rem;
  border: 1px solid transparent; border-radius: calc(var(--radius) * 0.6); font-weight: 550; text-align: center;
}
.primary { background: var(--accent); color: var(--on-accent); }
.primary:hover { background: color-mix(in srgb, var(--accent) 88%, var(--text)); }
.quiet { background: var(--surface); border-color: var(--line); }
.quiet:hover { background: var(--tint); border-color: var(--strong-line); }
.danger { background: var(--surface); border-color: var(--danger); color: var(--danger); }
.danger:hover { background: var(--danger-tint); }
.primary:is(:disabled, [aria-disabled="true"]) { background: var(--line); color: var(--muted); }
.quiet[aria-disabled="true"] { background: var(--tint); color: var(--muted); }
:is(.primary, .quiet, .danger) .icon { width: 1.125rem; height: 1.125rem; }
.icon-button {
  display: inline-grid; place-items: center; flex: none; width: 2.375rem; height: 2.375rem; padding: 0;
  border: 0; border-radius: calc(var(--radius) * 0.6); background: transparent; color: var(--muted);
}
.icon-button:hover { background: var(--tint); color: var(--text); }
.icon-button[aria-expanded="true"] { background: var(--accent-tint); color: var(--accent); }

.field { display: grid; gap: 0.375rem; }
.field > label, .field > .name { font-weight: 550; }
input:not([type]), input:is([type="text"], [type="search"], [type="datetime-local"], [type="url"]), select {
  width: 100%; min-height: 2.375rem; padding: 0.375rem 0.75rem; background: var(--surface);
  border: 1px solid var(--strong-line); border-radius: calc(var(--radius) * 0.6);
}
::placeholder { color: var(--muted); opacity: 1; }
input[type="checkbox"], input[type="radio"] { accent-color: var(--accent); }

.switch { position: relative; display: flex; align-items: center; gap: 0.75rem; cursor: pointer; }
.switch > .words { flex: 1; display: grid; gap: 0.125rem; min-width: 0; }
.switch > .words > .name { font-weight: 550; }
.switch > input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: inherit; }
.switch > .track {
  flex: none; width: 2.375rem; height: 1.375rem; border-radius: 1rem; background: var(--strong-line);
  padding: 0.1875rem; transition: background 0.15s;
}
.switch > .track::before {
  content: ""; display: block; width: 1rem; height: 1rem; border-radius: 50%; background: var(--surface); transition: margin 0.15s;
}
.switch > input:checked ~ .track { background: var(--accent); }
.switch > input:checked ~ .track::before { margin-inline-start: 1rem; }
.switch:has([aria-disabled="true"]) { cursor: not-allowed; }
.switch:has([aria-disabled="true"]) > .track { background: var(--line); }

.alert {
  display: flex; align-items: flex-start; gap: 0.75rem; margin: 0 1.5rem 0.875rem; padding: 0.625rem 0.5rem 0.625rem 0.875rem;
  border: 1px solid color-mix(in srgb, var(--danger) 45%, var(--surface)); border-radius: calc(var(--radius) * 0.7); background: var(--danger-tint);
}
.alert > .icon { color: var(--danger); margin-top: 0.25rem; }
.alert > .words { flex: 1; min-width: 0; padding-block: 0.1875rem; display: grid; gap: 0.25rem; }
.alert .small { color: var(--text); }
.toast { position: relative; }
.status {
  position: absolute; inset-inline: 0; bottom: 0.75rem; width: fit-content; max-width: calc(100% - 3rem); margin-inline: auto; z-index: 3;
  padding: 0.5rem 1rem; border-radius: 2rem; background: var(--text); color: var(--surface); font-size: 0.875rem; font-weight: 550;
  box-shadow: 0 6px 20px rgb(0 0 0 / 0.25); pointer-events: none; text-align: center;
}
.status:empty { display: none; }
.problem { color: var(--danger); font-size: 0.8125rem; font-weight: 550; }
.problem:empty { display: none; }

.settings { display: grid; gap: 1.125rem; align-content: start; min-width: 0; }
.settings > .fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1.125rem; align-items: start; }
.settings > .buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.radios { display: grid; gap: 0.25rem; margin-top: 0.375rem; }
.radios > .named { margin-inline-start: 1.75rem; }
.radio { display: flex; align-items: flex-start; gap: 0.625rem; min-height: 1.75rem; cursor: pointer; }
.radio > input { flex: none; width: 1.125rem; height: 1.125rem; margin: 0.125rem 0 0; }
.radio:has(:disabled) { cursor: not-allowed; }

.chips { display: flex; flex-wrap: wrap; gap: 0.375rem; max-height: 10rem; overflow-y: auto; }
.chip {
  display: inline-flex; align-items: center; gap: 0.375rem; max-width: 100%; padding-inline-start: 0.625rem; min-height: 2rem;
  border-radius: 1rem; background: var(--accent-tint);
}
.chip > .icon { width: 1rem; height: 1rem; color: var(--muted); }
.chip > bdi, .options bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
.chip > button { flex: none; display: grid; place-items: center; width: 2rem; height: 2rem; padding: 0; border: 0; border-radius: 50%; background: none; color: var(--muted); }
.chip > button:hover { color: var(--danger); }
.chip > button > .icon { width: 0.875rem; height: 0.875rem; stroke-width: 2.5; }
.search { position: relative; }
.search > .icon { position: absolute; inset-block: 0; inset-inline-start: 0.75rem; margin-block: auto; color: var(--muted); width: 1.125rem; height: 1.125rem; pointer-events: none; }
/* What is typed may run the other way than the dialog: it stays clear of the icon at either end. */
.search > input { padding-inline: 2.375rem !important; }
.options { max-height: 14rem; overflow-y: auto; border: 1px solid var(--line); border-radius: calc(var(--radius) * 0.6); padding: 0.25rem; box-shadow: 0 8px 24px rgb(0 0 0 / 0.12); }
.options > li { display: flex; align-items: center; gap: 0.625rem; padding: 0.375rem 0.625rem; border-radius: calc(var(--radius) * 0.4); cursor: pointer; }
.options > li > .icon { color: var(--muted); }
.options > li > .words { display: grid; min-width: 0; }
.options > li:is(:hover, [aria-selected="true"]) { background: var(--accent-tint); }
.options > li[aria-selected="true"] { outline: 2px solid var(--accent); outline-offset: -2px; }

.qr { display: grid; justify-items: center; gap: 0.75rem; }
.qr canvas { width: 11rem; height: 11rem; max-width: 100%; padding: 0.5rem; background: #fff; border: 1px solid var(--line); border-radius: calc(var(--radius) * 0.7); }
.qr:has(p) canvas { display: none; }
.confirm { width: min(26rem, calc(100vw - 2rem)); padding: 1.375rem 1.5rem 1.25rem; gap: 0.625rem; }
.confirm .buttons { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 0.625rem; margin-top: 0.75rem; }

@media (max-width: 480px) {
  dialog:not(.confirm) {
    width: 100vw; height: 100dvh; max-height: none; margin: 0; border-radius: 0; box-shadow: none; inset: 0;
  }
  header { padding: 0.75rem 0.5rem 0.625rem 1rem; }
  [dir="rtl"] > header { padding-inline: 1rem 0.5rem; }
  .titles { padding-top: 0.5rem; }
  .body { padding: 0.25rem 1rem 1.25rem; }
  footer { padding: 0.75rem 1rem max(0.75rem, env(safe-area-inset-bottom)); }
  .alert { margin-inline: 1rem; }
  .chip, .chip > button { min-height: 2.75rem; }
  .chip { border-radius: 1.375rem; }
  .chip > button { width: 2.75rem; }
  .options > li { min-height: 2.75rem; }
  .radio { min-height: 2.75rem; align-items: center; }
  .radio > input { margin: 0; }
  .icon-button { width: 2.75rem; height: 2.75rem; }
  .primary, .quiet, .danger, .switch, select,
  input:not([type]), input:is([type="text"], [type="search"], [type="datetime-local"], [type="url"]) { min-height: 2.75rem; }
  input:not([type]), input:is([type="text"], [type="search"], [type="datetime-local"], [type="url"]), select { font-size: 1rem; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
@media (forced-colors: active) {
  .switch > .track { border: 1px solid CanvasText; }
  .switch > .track::before { background: CanvasText; }
  .switch > input:checked ~ .track { background: Highlight; }
  dialog { border: 1px solid CanvasText; }
}
`);
