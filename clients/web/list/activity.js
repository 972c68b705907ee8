/** Calls that are under way at a time. */
const AT_ONCE = 4;

/** A row that is scrolled past is not asked for. */
const DWELL_MS = 150;

/** Waits after a refusal that says no time, and at most. */
const PAUSE_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 60;

/** Fetches the activity of the rows in sight, a few at a time, each once. */
export class ActivityLoader {
  /**
   * @param {(id: string, signal: AbortSignal) => Promise<object>} fetch
   * @param {(id: string, activity: object | null, error?: Error) => void} show null: it could not
   *   be had
   */
  constructor(fetch, show) {
    this.fetch = fetch;
    this.show = show;
    this.inSight = new Set();
    this.waiting = new Map();
    this.known = new Map();
    this.underWay = new Map();
    this.pausedUntil = 0;
    this.timer = null;
    this.observer = new IntersectionObserver((entries) => this.seen(entries));
  }

  /** Begins with other rows: elements that carry the id of their link. */
  watch(elements) {
    this.observer.disconnect();
    this.inSight.clear();
    this.waiting.clear();
    for (const element of elements) this.observer.observe(element);
  }

  stop() {
    this.watch([]);
    clearTimeout(this.timer);
    for (const request of this.underWay.values()) request.abort();
    this.underWay.clear();
  }

  seen(entries) {
    const now = performance.now();
    // An observer may still tell of rows that it was taken off.
    const there = entries.filter(({ target }) => target.isConnected);
    for (const { target, isIntersecting } of there) {
      const id = target.dataset.id;
      if (isIntersecting) this.inSight.add(id);
      else this.inSight.delete(id);
      if (!isIntersecting) this.waiting.delete(id);
      else if (this.known.has(id)) this.show(id, this.known.get(id));
      else if (!this.underWay.has(id)) this.waiting.set(id, now + DWELL_MS);
    }
    this.next();
  }

  next() {
    clearTimeout(this.timer);
    const now = performance.now();
    for (const [id, due] of this.waiting) {
      if (this.underWay.size >= AT_ONCE) return;
      const wait = Math.max(due, this.pausedUntil) - now;
      if (wait > 0) {
        this.timer = setTimeout(() => this.next(), wait);
        return;
      }
      this.waiting.delete(id);
      this.load(id);
    }
  }

  async load(id) {
    const request = new AbortController();
    this.underWay.set(id, request);
    try {
      const activity = await this.fetch(id, request.signal);
      if (this.underWay.get(id) !== request) return;
      this.known.set(id, activity);
      this.show(id, activity);
    } catch (error) {
      if (this.underWay.get(id) !== request) return;
      if (error.status === 429 || error.status === 503) {
        const seconds = Math.min(error.retry_after ?? PAUSE_SECONDS, LONGEST_PAUSE_SECONDS);
        this.pausedUntil = performance.now() + seconds * 1000;
        if (this.inSight.has(id)) this.waiting.set(id, this.pausedUntil);
      } else {
        this.show(id, null, error);
      }
    }
    this.underWay.delete(id);
    this.next();
  }
}
