import { latestEnd } from "./access.js";
import { toLocalInput } from "./dates.js";
import { h, uniqueId } from "./h.js";

const DAY = 86_400_000;

/** Days from now. */
const PRESETS = { day: 1, week: 7, month: 30 };

/**
 * When a link ends: never, after a while, or at a moment that is typed in the viewer's own zone.
 * `error` says in words what is wrong with that moment. `onchange()` is called for each choice;
 * while a moment is being typed, when the field is left.
 */
export class EndField {
  #policy = null;
  #t;
  #dates;

  constructor({ t, dates, onchange }) {
    this.#t = t;
    this.#dates = dates;
    this.onchange = onchange;
    const ids = [uniqueId("end"), uniqueId("moment"), uniqueId("error")];
    const option = (value) => h("option", { value }, "");
    this.select = h(
      "select",
      { id: ids[0], onchange: () => this.#chosen() },
      ["never", ...Object.keys(PRESETS), "custom"].map(option),
    );
    this.moment = h("input", {
      id: ids[1],
      type: "datetime-local",
      "aria-label": t("end.moment"),
      "aria-describedby": ids[2],
      onchange: () => this.#typed(),
    });
    this.problem = h("p", { class: "problem", id: ids[2], hidden: true });
    this.element = h(
      "div",
      { class: "field end" },
      h("label", { for: ids[0] }, t("end.label")),
      this.select,
      this.moment,
      this.problem,
    );
    this.set(null);
  }

  /** Shows an end, an RFC 3339 moment or null. */
  set(end) {
    this.select.value = end ? "custom" : "never";
    this.moment.value = end ? toLocalInput(end) : "";
    this.#draw();
  }

  set policy(policy) {
    this.#policy = policy;
    this.#draw();
    if (this.select.selectedOptions[0]?.disabled) this.select.value = "never";
    this.#draw();
  }

  /** What is chosen, for telling whether it is the same as before. */
  get choice() {
    return this.select.value === "custom" ? this.moment.value : this.select.value;
  }

  /**
   * The end as RFC 3339; null: none of its own; undefined: what is typed is no moment in the
   * future, or too late.
   */
  get value() {
    if (this.error) return undefined;
    const end = this.#end();
    return end === null ? null : new Date(end).toISOString();
  }

  get error() {
    if (this.select.value !== "custom") return "";
    const end = this.#end();
    const latest = latestEnd(this.#policy);
    if (!(end > Date.now())) return this.#t("end.past");
    if (latest !== null && end > latest) return this.#t("end.late", { date: this.#dates.moment(latest) });
    return "";
  }

  /** Says what is wrong, and moves the focus there. */
  complain() {
    this.#showProblem();
    this.moment.focus();
  }

  #end() {
    const days = PRESETS[this.select.value];
    if (days) return Date.now() + days * DAY;
    return this.select.value === "custom" ? new Date(this.moment.value).getTime() : null;
  }

  #chosen() {
    if (this.select.value === "custom" && !this.moment.value) {
      const latest = latestEnd(this.#policy) ?? Infinity;
      this.moment.value = toLocalInput(Math.min(Date.now() + PRESETS.week * DAY, latest - 60_000));
    }
    this.#draw();
    this.onchange();
  }

  #typed() {
    this.#showProblem();
    this.onchange();
  }

  #showProblem() {
    this.problem.textContent = this.error;
    this.problem.hidden = !this.error;
    this.moment.setAttribute("aria-invalid", String(Boolean(this.error)));
  }

  #draw() {
    const t = this.#t;
    const latest = latestEnd(this.#policy);
    for (const option of this.select.options) {
      const { value } = option;
      const isLongest = value === "never" && latest !== null;
      const isForbidden = value in PRESETS && latest !== null && Date.now() + PRESETS[value] * DAY > latest;
      const text = isLongest ? t("end.longest", { date: this.#dates.day(latest) }) : t(`end.${value}`);
      option.textContent = isForbidden ? t("end.forbidden", { end: text }) : text;
      option.disabled = isForbidden;
    }
    this.moment.hidden = this.select.value !== "custom";
    this.moment.min = toLocalInput(Date.now());
    this.moment.max = latest === null ? "9999-12-31T23:59" : toLocalInput(latest);
    this.#showProblem();
  }
}
