import { DialogElement } from "./parts/dialog.js";
import { listSheet } from "./list/styles.js";
import { ListView } from "./list/view.js";

/**
 * `<shared-chats-dialog api="…" lang="…">`: all links of the caller. Properties `token`,
 * `findPeople`, `describe`, `texts`, methods `show()` and `close()`, events `share-changed` (the row),
 * `share-deleted` (`{ ids }`), `share-failed` (`{ ids, error }`) and `close`.
 */
export class SharedChatsDialog extends DialogElement {
  static sheets = [listSheet];

  heading() {
    return this.t("list.title");
  }

  content() {
    this.policy = null;
    this.view = new ListView(this);
    return [this.view.toolbar.element, this.view.scroller];
  }

  footer() {
    return [this.view.pager.shown, this.view.pager.nav];
  }

  shown() {
    return this.view.load();
  }

  closed() {
    this.view.stop();
  }
}

customElements.define("shared-chats-dialog", SharedChatsDialog);
