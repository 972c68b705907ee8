import { h } from "../parts/h.js";
import { icon } from "../parts/icons.js";

/** How many links are selected, all of the page at once, and what is done with them. */
export class Selection {
  /** @param actions `selectPage(isSelected)`, `clear()`, `deleteSelected()` */
  constructor({ t }, actions) {
    this.t = t;
    this.all = h("input", { type: "checkbox", onchange: () => actions.selectPage(this.all.checked) });
    this.count = h("span", { class: "count" });
    this.clear = h("button", {
      type: "button", class: "quiet",
      onclick: () => {
        actions.clear();
        this.all.focus();
      },
    }, t("list.selection.clear"));
    this.delete = h("button", { type: "button", class: "danger", onclick: () => actions.deleteSelected() },
      icon("trash"), t("list.selection.delete"));
    this.element = h("div", { class: "selection" },
      h("label", { class: "pick-all" }, this.all, h("span", {}, t("list.selection.page"))),
      this.count, h("div", { class: "buttons" }, this.clear, this.delete));
  }

  update(links) {
    const { t } = this;
    const n = links.selected.size;
    const here = links.rows.filter((row) => links.selected.has(row.id)).length;
    this.element.hidden = !links.rows.length && !n;
    this.element.classList.toggle("some", n > 0);
    this.all.checked = links.isPageSelected;
    this.all.indeterminate = here > 0 && !links.isPageSelected;
    this.count.textContent = n ? t(n > here ? "list.selection.elsewhere" : "list.selection.count", { n, elsewhere: n - here }) : "";
    for (const button of [this.clear, this.delete]) button.hidden = !n;
  }
}
