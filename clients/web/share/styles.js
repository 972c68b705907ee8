import { sheet } from "../parts/styles.js";

export const shareSheet = sheet(`
.subtitle {
  color: var(--muted); margin-top: 0.125rem; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
}
.to-links {
  display: inline-flex; align-items: center; gap: 0.375rem; flex: none; min-height: 2rem; margin-top: 0.1875rem; padding: 0 0.75rem;
  border: 0; border-radius: 1rem; background: var(--tint); color: var(--muted); font-size: 0.8125rem; font-weight: 550;
}
.to-links:hover { color: var(--text); }
.to-links > .icon { width: 1rem; height: 1rem; }
h3:focus { outline: none; }
form { display: grid; gap: 1.375rem; }
legend, h3 { margin-bottom: 0.625rem; }
.choices { display: grid; gap: 0.5rem; }
.choices.two { grid-template-columns: 1fr 1fr; }
.choice {
  position: relative; display: flex; align-items: center; gap: 0.75rem; padding: 0.625rem 0.875rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: calc(var(--radius) * 0.7);
}
.choice > .icon { color: var(--muted); width: 1.375rem; height: 1.375rem; }
.choice > .words { display: grid; gap: 0.0625rem; flex: 1; min-width: 0; }
.choice .name { font-weight: 550; }
.choice > input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: inherit; }
.choice:hover { border-color: var(--strong-line); }
.choice:has(:checked) { border-color: var(--accent); background: var(--accent-tint); box-shadow: inset 0 0 0 1px var(--accent); }
.choice:has(:checked) > .icon { color: var(--accent); }
.choice:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }
.choice.forbidden { cursor: not-allowed; border-style: dashed; border-color: var(--line); background: none; }
.choice.forbidden .name { color: var(--muted); font-weight: 400; }
.notice { padding: 0.75rem 0.875rem; margin-bottom: 0.625rem; border-radius: calc(var(--radius) * 0.7); background: var(--tint); }
.customize { display: grid; gap: 0.875rem; }
.customize > h3 { margin-bottom: -0.25rem; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0.875rem; align-items: start; }
.accesses > .audience { margin-top: 0.75rem; }

.result { display: grid; gap: 0.875rem; }
.done { display: flex; align-items: center; gap: 0.625rem; }
.done > .icon { color: var(--on-accent); background: var(--accent); border-radius: 50%; padding: 0.25rem; width: 1.625rem; height: 1.625rem; stroke-width: 2.75; }
.done > h3 { margin: 0; font-size: 1.0625rem; }
.address { display: flex; gap: 0.5rem; }
.address > input { flex: 1; min-width: 0; text-overflow: ellipsis; }
.address > button { flex: none; }

.links { margin-top: 1.75rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
.links > h3 { display: flex; align-items: center; gap: 0.5rem; }
.badge { font-size: 0.8125rem; font-weight: 550; color: var(--muted); background: var(--tint); border-radius: 1rem; padding: 0.0625rem 0.5625rem; }
.links > ul { display: grid; gap: 0.5rem; }
.link { border: 1px solid var(--line); border-radius: calc(var(--radius) * 0.7); padding: 0.625rem 0.375rem 0.625rem 0.875rem; }
[dir="rtl"] .link { padding-inline: 0.875rem 0.375rem; }
.line { display: flex; align-items: flex-start; gap: 0.75rem; }
.line > .picture { color: var(--muted); margin-top: 0.5rem; display: grid; }
.line > .words { flex: 1; min-width: 0; padding-block: 0.375rem; }
.line > .words > .name { font-weight: 550; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
.tools { display: flex; flex: none; }
.limited { display: flex; align-items: flex-start; gap: 0.375rem; margin-top: 0.25rem; font-size: 0.8125rem; line-height: 1.4; }
.limited strong { font-weight: 550; }
.limited > .icon { width: 1rem; height: 1rem; margin-top: 0.0625rem; }
.link > [role="alert"] > .alert { margin: 0.5rem 0.5rem 0.25rem 0; }
.place { padding: 0.75rem 0.5rem 0.375rem 0; }
.panel { display: grid; gap: 0.875rem; border-top: 1px solid var(--line); padding-top: 0.875rem; }
.panel > .settings { border-bottom: 1px solid var(--line); padding-bottom: 1rem; }
.panel > .buttons { display: flex; justify-content: flex-end; }
.more { margin-top: 0.75rem; display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem; justify-content: space-between; }

.finish { display: flex; align-items: center; gap: 1rem; }
.finish > .says { flex: 1; min-width: 0; }
.says bdi, .link :is(.hint, .limited) bdi { font-weight: 550; display: inline-block; max-width: min(14em, 100%); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom; }
.finish > button { flex: none; }
.finish.end { justify-content: flex-end; flex-wrap: wrap; gap: 0.625rem; }

@media (max-width: 480px) {
  .columns { grid-template-columns: 1fr; }
  .finish:not(.end) { flex-direction: column; align-items: stretch; gap: 0.625rem; }
  .finish.end > button { flex: 1; }
  .address { flex-direction: column; }
  .choice { min-height: 3.5rem; }
  .to-links { min-height: 2.75rem; margin-top: 0; border-radius: 1.375rem; }
  .choices.two .choice { flex-direction: column; align-items: flex-start; gap: 0.375rem; }
  .choices.two .words { flex: none; }
  .line { flex-wrap: wrap; gap: 0 0.75rem; }
  .line > .words { flex-basis: 70%; }
  .tools { width: 100%; justify-content: flex-end; }
}
`);
