import { h } from "../parts/h.js";
import { PAGE_SIZE } from "./links.js";

/** "Showing 1–50 of 3,000", and the way to the other pages. `go(offset)` is asked for one. */
export class Pager {
  constructor({ t }, go) {
    this.t = t;
    this.links = null;
    const button = (key, offset) =>
      h("button", {
        type: "button", class: "quiet",
        onclick: (event) => {
          if (event.currentTarget.getAttribute("aria-disabled") !== "true") go(offset());
        },
      }, t(`list.page.${key}`));
    this.back = [
      button("first", () => 0),
      button("previous", () => Math.max(0, this.links.offset - PAGE_SIZE)),
    ];
    this.forward = [
      button("next", () => this.links.offset + PAGE_SIZE),
      button("last", () => Math.floor(Math.max(0, this.links.total - 1) / PAGE_SIZE) * PAGE_SIZE),
    ];
    this.shown = h("p", { class: "shown", role: "status" });
    this.place = h("span", { class: "place" });
    this.nav = h("nav", { class: "pages", "aria-label": t("list.page.label"), hidden: true }, this.back, this.place, this.forward);
  }

  update(links) {
    const { t } = this;
    this.links = links;
    this.shown.textContent = links.rows.length
      ? t("list.shown", { first: links.offset + 1, last: links.last, total: links.total })
      : t(links.isFiltered ? "list.noMatch" : "list.none");
    const page = Math.floor(links.offset / PAGE_SIZE) + 1;
    const pages = Math.max(1, Math.ceil(links.total / PAGE_SIZE));
    this.place.textContent = t("list.page.place", { page, pages });
    this.nav.hidden = pages === 1 && page === 1;
    // Not `disabled`: the button that was pressed would lose the focus on the last page.
    for (const button of this.back) button.setAttribute("aria-disabled", String(links.offset === 0));
    for (const button of this.forward) button.setAttribute("aria-disabled", String(links.last >= links.total));
  }
}
