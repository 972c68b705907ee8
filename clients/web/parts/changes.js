import { narrows } from "./access.js";
import { rowAgain } from "./again.js";
import { errorWords } from "./errors.js";

/**
 * Changes of links in a dialog. What was begun goes on when the dialog closes, and the page is told
 * what came of it. The view of a link has `row`, `isBusy`, `update(row)`, `busy(isBusy)` and
 * `say(words, retry)` (errorWords; null takes the message away).
 */
export class Changes {
  #root;
  #last = new WeakMap();

  /**
   * @param dialog while it is open
   * @param {{ gone: (view: object) => void, policyChanged: () => void }} actions `gone`: there is no
   *   such link any more; `policyChanged`: the policy is to be read again
   */
  constructor(dialog, { gone, policyChanged }) {
    Object.assign(this, { dialog, client: dialog.client, gone, policyChanged });
    this.#root = dialog.root;
  }

  /** Whether the dialog was closed since; it may be open again. */
  get isOver() {
    return this.dialog.root !== this.#root;
  }

  /** A switch: the row changes at once, and goes back where the service refuses. */
  async change(view, change, said) {
    const before = view.row;
    if (view.isBusy) return view.update(before);
    view.update({ ...before, ...change });
    const retry = () => this.change(view, change, said);
    if (!(await this.save(view, change, { said, retry }))) view.update(before);
  }

  /**
   * Changes settings, and gives whether the service did. `said(row)` says what it has come to. A
   * refusal is shown at the row.
   */
  save(view, change, { said = () => this.dialog.t("common.saved"), retry = null } = {}) {
    view.say(null);
    // One after the other: what is saved may follow a switch that is on its way.
    const before = this.#last.get(view) ?? Promise.resolve();
    const done = before.then(() => this.#send(view, change, said, retry));
    this.#last.set(view, done);
    return done;
  }

  async #send(view, change, said, retry) {
    const { dialog, client } = this;
    view.busy(true);
    try {
      await client.updateSharedChat(view.row.id, change);
      let row = { ...view.row, ...change, updated_at: new Date().toISOString() };
      // The change stands, whether what a policy makes of it can be looked up or not.
      if (narrows(dialog.policy)) row = (await rowAgain(client, row).catch(() => null)) ?? row;
      view.update(row);
      dialog.emit("share-changed", row);
      if (!this.isOver) dialog.status(said(row));
      return true;
    } catch (error) {
      await this.refused(view, error, retry);
      return false;
    } finally {
      view.busy(false);
    }
  }

  /** A 404 is a link that is gone, or a chat: files and live links ask for it (docs/API.md 3). */
  async refused(view, error, retry) {
    const { dialog } = this;
    const isMissing = error.status === 404;
    if (isMissing && !this.isOver && (await this.look(view))) return;
    if (this.isOver) return dialog.emit("share-failed", { ids: [view.row.id], error });
    view.say(errorWords(dialog.t, error, isMissing ? "chat" : "link"), retry);
    if (error.error_type === "policy_forbids") this.policyChanged();
  }

  /** Looks whether the link is gone, and gives that. */
  async look(view) {
    if (await rowAgain(this.client, view.row).catch(() => view.row)) return false;
    if (!this.isOver) this.gone(view);
    this.dialog.emit("share-deleted", { ids: [view.row.id] });
    return true;
  }
}
