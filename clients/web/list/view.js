import { Changes } from "../parts/changes.js";
import { h } from "../parts/h.js";
import { ActivityLoader } from "./activity.js";
import { Links } from "./links.js";
import { Pager } from "./pager.js";
import { RowView } from "./row.js";
import { Selection } from "./selection.js";
import { Toolbar } from "./toolbar.js";
import { nameText, toggledText } from "./words.js";

/** What is done in the dialog, and what becomes of it. `dialog` is the element, while it is open. */
export class ListView {
  constructor(dialog) {
    const { t, client } = dialog;
    this.dialog = dialog;
    this.links = new Links(client);
    this.views = new Map();
    this.toolbar = new Toolbar(t, (query) => this.load({ query }));
    this.selection = new Selection(dialog, {
      selectPage: (isSelected) => this.select(this.links.rows, isSelected),
      clear: () => this.clearSelection(),
      deleteSelected: () => this.delete([...this.links.selected]),
    });
    this.pager = new Pager(dialog, (offset) => this.load({ query: this.links.query, offset }));
    this.list = h("ul", { class: "rows", "aria-label": t("list.rows"), hidden: true });
    this.empty = h("div", { class: "empty" }, h("p", {}, t("common.loading")));
    this.scroller = h("div", { class: "scroller" }, this.selection.element, this.list, this.empty);
    this.activity = new ActivityLoader(
      (id, signal) => client.getSharedChatActivity(id, { signal }),
      (id, activity, error) => this.showActivity(id, activity, error),
    );
    this.changes = new Changes(dialog, {
      gone: (view) => this.gone(view),
      policyChanged: () => this.policyChanged(),
    });
    this.actions = {
      select: (view, isSelected) => this.select([view.row], isSelected),
      change: (view, change, field) =>
        this.changes.change(view, change, (row) => toggledText(t, row, field)),
      save: (view, change) => this.changes.save(view, change),
      delete: (view) => this.delete([view.row.id]),
    };
  }

  /** Shows a page, from its beginning. */
  async load({ query = this.toolbar.query, offset = 0 } = {}) {
    if (!(await this.fetch({ query, offset }))) return;
    this.dialog.clearAlert();
    // On a phone it is the body that scrolls.
    for (const element of [this.scroller, this.scroller.parentElement]) element.scrollTop = 0;
  }

  /** Links that move up take the places of those that are gone. */
  refill() {
    return this.fetch({ query: this.links.query, offset: this.links.offset });
  }

  /** Gives whether the page is shown: not where it is refused, or another is asked for meanwhile. */
  async fetch(asked) {
    this.busy(true);
    try {
      const policy = this.loadPolicy();
      if (!(await this.links.load(asked))) return false;
      await policy;
      this.render();
    } catch (error) {
      this.busy(false);
      this.dialog.alert(error, { about: "list", retry: () => this.load(asked) });
      return false;
    }
    this.busy(false);
    return true;
  }

  /** Where it cannot be had, it stays unknown, and the service judges each change. */
  async loadPolicy() {
    const { dialog } = this;
    const { signal } = dialog;
    const known =
      dialog.policy ?? (await dialog.client.getPolicy({ signal }).catch(() => null))?.data;
    dialog.policy = known ?? null;
  }

  busy(isBusy) {
    this.scroller.setAttribute("aria-busy", String(isBusy));
  }

  /** Rows that were there stay the same elements: they may have the focus, or be open. */
  render() {
    const { links, dialog, list } = this;
    const views = new Map();
    for (const row of links.rows) {
      const view = this.views.get(row.id);
      if (view && !view.isBusy) view.update(row);
      views.set(row.id, view ?? new RowView(row, dialog, this.actions));
    }
    for (const [id, view] of this.views) if (!views.has(id)) view.element.remove();
    this.views = views;
    let at = list.firstElementChild;
    for (const { element } of views.values()) {
      if (element === at) at = at.nextElementSibling;
      else list.insertBefore(element, at);
    }
    this.activity.watch(list.children);
    this.renderCounts();
  }

  /** Everything but the rows. */
  renderCounts() {
    const { links, list, empty } = this;
    const { t } = this.dialog;
    this.pager.update(links);
    this.selection.update(links);
    for (const [id, view] of this.views) view.select(links.selected.has(id));
    list.hidden = !links.rows.length;
    empty.hidden = !list.hidden;
    if (links.isFiltered) {
      empty.replaceChildren(
        h("p", {}, t("list.noMatch")),
        h(
          "button",
          { type: "button", class: "quiet", onclick: () => this.toolbar.clear() },
          t("list.showAll"),
        ),
      );
    } else {
      empty.replaceChildren(
        h("p", {}, t("list.none")),
        h("p", { class: "hint" }, t("list.noneHint")),
      );
    }
  }

  select(rows, isSelected) {
    for (const row of rows) this.links.select(row.id, isSelected);
    this.renderCounts();
  }

  clearSelection() {
    this.links.selected.clear();
    this.renderCounts();
  }

  showActivity(id, activity, error) {
    const view = this.views.get(id);
    view?.showActivity(activity);
    if (view && error?.status === 404) this.changes.look(view);
  }

  gone(view) {
    const { t } = this.dialog;
    this.drop([view.row.id]);
    this.dialog.alert(t("list.gone", { name: nameText(t, view.row) }));
    this.refill();
  }

  async policyChanged() {
    this.dialog.policy = null;
    await this.loadPolicy();
    for (const view of this.views.values()) view.update(view.row);
  }

  /** Takes rows out. The focus, if it was in one of them, goes to the row that takes its place. */
  drop(ids) {
    const { links, list, toolbar, selection } = this;
    const active = list.getRootNode().activeElement;
    const rows = [...list.children];
    const at = rows.findIndex((row) => row.contains(active));
    const isInSelection = selection.element.contains(active);
    links.drop(ids);
    for (const id of ids) {
      this.views.get(id)?.element.remove();
      this.views.delete(id);
    }
    this.renderCounts();
    if (isInSelection) (links.rows.length ? selection.all : toolbar.search).focus();
    if (at < 0 || rows[at].isConnected) return;
    const near = [...rows.slice(at), ...rows.slice(0, at).reverse()].find((row) => row.isConnected);
    (near?.querySelector(".more") ?? toolbar.search).focus();
  }

  async delete(ids) {
    const { t } = this.dialog;
    const n = ids.length;
    const only = n === 1 && this.links.row(ids[0]);
    const isMeant = await this.dialog.confirm({
      title: t("delete.title", { n }),
      text: only
        ? t("delete.named", { name: nameText(t, only) })
        : t("delete.text", { n }),
      action: t("delete.action", { n }),
    });
    if (isMeant) await this.deleteNow(ids);
  }

  /** Links that are gone already are skipped by the service. */
  async deleteNow(ids) {
    const { dialog, links } = this;
    const done = [];
    this.busy(true);
    try {
      await links.deleteAll(ids, (batch) => done.push(...batch));
      if (!this.changes.isOver) {
        dialog.clearAlert();
        dialog.status(dialog.t("delete.done", { n: ids.length }));
      }
    } catch (error) {
      const left = ids.filter((id) => !done.includes(id));
      if (this.changes.isOver) dialog.emit("share-failed", { ids: left, error });
      else dialog.alert(error, { retry: () => this.deleteNow(left) });
    }
    this.busy(false);
    if (!done.length) return;
    if (!this.changes.isOver) this.drop(done);
    dialog.emit("share-deleted", { ids: done });
    if (!this.changes.isOver) await this.refill();
  }

  /** The dialog is closed. Changes that were begun go on. */
  stop() {
    this.toolbar.stop();
    this.links.stop();
    this.activity.stop();
    for (const view of this.views.values()) view.details?.stop();
  }
}
