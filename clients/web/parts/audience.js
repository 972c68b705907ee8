import { h, uniqueId } from "./h.js";
import { icon } from "./icons.js";
import { isGroup } from "./people.js";

/** Principals that a link can name (docs/API.md 3). */
export const MOST_NAMED = 100;

/** Waits until typing pauses. */
const PAUSE_MS = 200;

/** Results that are offered at a time. */
const MOST_FOUND = 20;

/**
 * Chooses people and groups by name: a combobox with a list of what the page finds, and what is
 * chosen with a button to take each out. Backspace in the empty field takes the last one out.
 *
 * @param {{ t: object, people: import("./people.js").People, find: (query: string) =>
 *   Promise<object[]>, onchange: () => void }} options
 */
export class AudiencePicker {
  #found = [];
  #active = -1;
  #timer = 0;
  #search = 0;

  constructor({ t, people, find, onchange }) {
    Object.assign(this, { t, people, find, onchange });
    this.list = h("ul", { class: "chips", "aria-label": t("people.chosen") });
    const ids = [uniqueId("people"), uniqueId("found"), uniqueId("hint"), uniqueId("problem")];
    this.options = h("ul", {
      class: "options",
      id: ids[1],
      role: "listbox",
      "aria-label": t("people.label"),
      hidden: true,
    });
    this.input = h("input", {
      id: ids[0],
      type: "text",
      role: "combobox",
      placeholder: t("people.placeholder"),
      autocomplete: "off",
      spellcheck: "false",
      dir: "auto",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": ids[1],
      "aria-describedby": `${ids[2]} ${ids[3]}`,
      oninput: () => this.#typed(),
      onkeydown: (event) => this.#key(event),
      onblur: () => this.#close(),
    });
    this.said = h("p", { class: "hint", role: "status" });
    this.problem = h("p", { class: "problem", id: ids[3], hidden: true });
    this.element = h(
      "div",
      { class: "field audience" },
      h("label", { for: ids[0] }, t("people.label")),
      this.list,
      h("div", { class: "search" }, icon("search"), this.input),
      this.options,
      h("p", { class: "hint", id: ids[2] }, t("people.hint")),
      this.said,
      this.problem,
    );
    this.set([]);
  }

  get value() {
    return [...this.chosen];
  }

  /** Shows who is chosen; their names appear as soon as the page has told them. */
  set(principals) {
    this.chosen = [...principals];
    this.#draw();
    this.people.load(this.chosen).then(() => this.#draw());
  }

  /** Says what is wrong, and moves the focus there; "" takes it away. */
  complain(text) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
    if (text) this.input.focus();
  }

  #draw() {
    const { t } = this;
    this.list.hidden = !this.chosen.length;
    this.list.replaceChildren(
      ...this.chosen.map((principal) => {
        const name = nameOf(t, this.people, principal);
        return h(
          "li",
          { class: "chip" },
          icon(isGroup(principal) ? "users" : "user"),
          h("bdi", { title: name }, name),
          h(
            "button",
            { type: "button", "aria-label": t("people.remove", { name }), onclick: () => this.#remove(principal) },
            icon("close"),
          ),
        );
      }),
    );
  }

  #add(person) {
    const { t } = this;
    this.input.value = "";
    this.#close();
    if (this.chosen.length >= MOST_NAMED) return this.complain(t("people.full", { n: MOST_NAMED }));
    this.people.remember(person.principal, person.name);
    this.chosen.push(person.principal);
    this.complain("");
    this.#draw();
    this.said.textContent = t("people.added", { name: person.name });
    this.onchange();
  }

  #remove(principal) {
    const { t } = this;
    this.chosen = this.chosen.filter((other) => other !== principal);
    this.#draw();
    this.said.textContent = t("people.removed", { name: nameOf(t, this.people, principal) });
    this.input.focus();
    this.onchange();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.complain("");
    this.#search += 1;
    const query = this.input.value.trim();
    if (!query) {
      this.said.textContent = "";
      return this.#close();
    }
    this.#timer = setTimeout(() => this.#find(query, this.#search), PAUSE_MS);
  }

  async #find(query, search) {
    const { t } = this;
    this.said.textContent = t("people.searching");
    let found;
    try {
      found = await this.find(query);
    } catch (error) {
      console.error(error);
      if (search === this.#search) {
        this.#close();
        this.said.textContent = t("people.failed");
      }
      return;
    }
    if (search !== this.#search || this.input.getRootNode().activeElement !== this.input) return;
    this.#found = found.filter(({ principal }) => !this.chosen.includes(principal)).slice(0, MOST_FOUND);
    this.options.replaceChildren(
      ...this.#found.map((person) =>
        h(
          "li",
          {
            id: uniqueId("option"),
            role: "option",
            "aria-selected": "false",
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => this.#add(person),
          },
          icon(isGroup(person.principal) ? "users" : "user"),
          h(
            "span",
            { class: "words" },
            h("bdi", {}, person.name),
            h(
              "span",
              { class: "small" },
              h("bdi", {}, person.detail ?? t(isGroup(person.principal) ? "people.group" : "people.person")),
            ),
          ),
        ),
      ),
    );
    this.#open(this.#found.length > 0);
    this.said.textContent = this.#found.length ? t("people.found", { n: this.#found.length }) : t("people.none");
  }

  #key(event) {
    const isOpen = !this.options.hidden;
    const { key } = event;
    if (key === "Enter") {
      // Never the form's: a name that is half typed shares nothing.
      event.preventDefault();
      if (isOpen && this.#active >= 0) this.#add(this.#found[this.#active]);
    } else if (key === "Escape" && (isOpen || this.input.value)) {
      event.preventDefault();
      event.stopPropagation();
      this.input.value = "";
      this.said.textContent = "";
      this.#close();
    } else if (key === "Backspace" && !this.input.value && this.chosen.length) {
      this.#remove(this.chosen.at(-1));
    } else if (isOpen && (key === "ArrowDown" || key === "ArrowUp")) {
      event.preventDefault();
      const step = key === "ArrowDown" ? 1 : -1;
      const count = this.#found.length;
      this.#activate(this.#active < 0 && step < 0 ? count - 1 : (this.#active + step + count) % count);
    }
  }

  #activate(index) {
    this.#active = index;
    [...this.options.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    const active = this.options.children[index];
    if (active) this.input.setAttribute("aria-activedescendant", active.id);
    else this.input.removeAttribute("aria-activedescendant");
    active?.scrollIntoView({ block: "nearest" });
  }

  #open(isOpen) {
    this.options.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    this.#activate(-1);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#search += 1;
    this.#found = [];
    this.#open(false);
  }
}

/** The name to show; never the id. */
export function nameOf(t, people, principal) {
  return people.name(principal) || t(isGroup(principal) ? "people.unknownGroup" : "people.unknown");
}
