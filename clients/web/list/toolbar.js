import { h } from "../parts/h.js";
import { icon } from "../parts/icons.js";
import { FILTERS, LONGEST_SEARCH, SORTS } from "./links.js";

/** How long typing must pause before a search. */
const TYPING_MS = 250;

/** Search, filter and sort. `ask(query)` is called with what is to be shown. */
export class Toolbar {
  constructor(t, ask) {
    this.ask = ask;
    this.timer = null;
    this.search = h("input", {
      type: "search",
      maxlength: LONGEST_SEARCH,
      placeholder: t("list.search"),
      "aria-label": t("list.search"),
      autocomplete: "off",
      dir: "auto",
      enterkeyhint: "search",
      // On a touch screen the keyboard would cover the list.
      autofocus: !matchMedia("(pointer: coarse)").matches,
      oninput: () => this.typed(),
      onkeydown: (event) => this.key(event),
    });
    this.filters = FILTERS.map((filter) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name: "filter",
          value: filter,
          checked: filter === "all",
          onchange: () => this.now(),
        }),
        h("span", {}, t(`list.filter.${filter}`)),
      ),
    );
    this.sort = h(
      "select",
      { onchange: () => this.now() },
      SORTS.map((sort) => h("option", { value: sort }, t(`list.sort.${sort}`))),
    );
    this.element = h(
      "div",
      { class: "toolbar" },
      h("div", { class: "search" }, icon("search"), this.search),
      h(
        "fieldset",
        { class: "segments" },
        h("legend", { class: "unseen" }, t("list.filter.label")),
        this.filters,
      ),
      h("label", { class: "sort" }, h("span", {}, t("list.sort.label")), this.sort),
    );
  }

  get query() {
    return {
      name_filter: this.search.value,
      filter_type: this.filters
        .map((label) => label.querySelector("input"))
        .find((input) => input.checked).value,
      sort: this.sort.value,
    };
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), TYPING_MS);
  }

  /** Escape empties the search first; in an empty one it closes the dialog. */
  key(event) {
    if (event.key === "Escape" && this.search.value) {
      event.preventDefault();
      event.stopPropagation();
      this.search.value = "";
      this.now();
    }
    if (event.key === "Enter") this.now();
  }

  now() {
    clearTimeout(this.timer);
    this.ask(this.query);
  }

  /** Back to all links. */
  clear() {
    this.search.value = "";
    this.filters[0].querySelector("input").checked = true;
    this.now();
    this.search.focus();
  }

  stop() {
    clearTimeout(this.timer);
  }
}
