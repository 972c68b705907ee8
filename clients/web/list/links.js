/** Rows of a page. */
export const PAGE_SIZE = 50;

/** Ids in one batch_delete (docs/API.md 3). */
export const MOST_AT_ONCE = 1000;

/** Characters of a name_filter. */
export const LONGEST_SEARCH = 256;

export const FILTERS = ["all", "private", "public"];
export const SORTS = ["-created_at", "created_at", "name", "-name"];

/** The caller's links: which of them are shown, and which are selected. */
export class Links {
  constructor(client) {
    this.client = client;
    this.query = { name_filter: "", filter_type: "all", sort: SORTS[0] };
    this.offset = 0;
    this.total = 0;
    this.rows = [];
    this.selected = new Set();
    this.request = null;
  }

  /** The number of the last row that is shown. */
  get last() {
    return this.offset + this.rows.length;
  }

  get isFiltered() {
    return this.query.name_filter !== "" || this.query.filter_type !== "all";
  }

  get isPageSelected() {
    return this.rows.length > 0 && this.rows.every((row) => this.selected.has(row.id));
  }

  row(id) {
    return this.rows.find((row) => row.id === id);
  }

  /**
   * Loads a page. The call that began last wins: an earlier one is aborted and gives false. Where
   * fewer links are left than the page begins at, it is the last page that has some.
   *
   * What is selected is kept from page to page, and forgotten where other links are asked for:
   * nothing is deleted that a search has put out of sight.
   */
  async load({ query = this.query, offset = 0 } = {}) {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    try {
      let page = await this.page(query, offset, request.signal);
      if (!page.rows.length && page.total > 0) {
        offset = Math.floor((page.total - 1) / PAGE_SIZE) * PAGE_SIZE;
        page = await this.page(query, offset, request.signal);
      }
      if (this.request !== request) return false;
      const isSame = Object.keys(query).every((key) => query[key] === this.query[key]);
      if (!isSame) this.selected.clear();
      Object.assign(this, { query, offset, rows: page.rows, total: page.total });
      return true;
    } catch (error) {
      if (this.request !== request) return false;
      throw error;
    }
  }

  async page({ name_filter, ...query }, offset, signal) {
    const filter = name_filter ? { name_filter } : {};
    const { rows, total } = await this.client.listSharedChats({
      ...query,
      ...filter,
      offset,
      limit: PAGE_SIZE,
      signal,
    });
    // More rows than were asked for would freeze the page.
    return { rows: rows.slice(0, PAGE_SIZE), total };
  }

  stop() {
    this.request?.abort();
    this.request = null;
  }

  select(id, isSelected) {
    if (isSelected) this.selected.add(id);
    else this.selected.delete(id);
  }

  /** Takes links out that are no more. */
  drop(ids) {
    const gone = new Set(ids);
    const before = this.rows.length;
    this.rows = this.rows.filter((row) => !gone.has(row.id));
    this.total = Math.max(0, this.total - (before - this.rows.length));
    for (const id of gone) this.selected.delete(id);
  }

  /** Deletes links, some of which may be gone already. `onDeleted(ids)` is called for each batch. */
  async deleteAll(ids, onDeleted) {
    for (let begin = 0; begin < ids.length; begin += MOST_AT_ONCE) {
      const batch = ids.slice(begin, begin + MOST_AT_ONCE);
      await this.client.deleteSharedChats(batch);
      onDeleted(batch);
    }
  }
}
