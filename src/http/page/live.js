// Updates the page of a live link. Its content always comes from the server, which has escaped it: an
// event only says when to fetch the page again.
(() => {
  const main = document.querySelector("main"), footer = document.querySelector("footer");
  let refreshing = false, again = false, over = false, retry, source, rewatch;

  async function refresh() {
    if (over) return;
    if (refreshing) { again = true; return; }
    refreshing = true;
    clearTimeout(retry);
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-cache" });
      if ([401, 403, 404].includes(answer.status)) { end(); return; }
      if (!answer.ok) throw answer.status;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // A fetch that was in flight when the link was revoked is too late.
      if (!over && page.querySelector("main[data-events]")) show(page);
    } catch {
      // The next event may be a long time away. A hidden page asks when it is shown.
      if (!document.hidden) retry = setTimeout(refresh, soon());
    } finally {
      refreshing = false;
      if (again) { again = false; setTimeout(refresh, 100); }
    }
  }

  function show(page) {
    const root = document.scrollingElement;
    const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 80;
    document.title = page.title;
    showLocalTimes(page);
    addCopyButtons(page);
    // What the reader unfolded stays so.
    for (const part of main.querySelectorAll("article, nav")) {
      const now = page.querySelector(part.id ? `#${part.id}` : "nav");
      const folds = now?.querySelectorAll("details") ?? [];
      part.querySelectorAll("details").forEach((fold, place) => { if (folds[place]) folds[place].open = fold.open; });
    }
    // First alone, so that what else changed does not move them.
    update(main.querySelector(".messages"), page.querySelector(".messages"));
    update(main, page.querySelector("main"));
    // Without the QR code, which may be open and never changes.
    update(footer.lastElementChild, page.querySelector("footer").lastElementChild);
    if (atEnd) root.scrollTo(0, root.scrollHeight);
  }

  // Leaves equal nodes in place, which keeps the reader's selection, focus and scroll position.
  function update(shown, fresh) {
    const old = [...shown.childNodes], now = [...fresh.childNodes];
    let same = 0, next = null;
    while (same < old.length && same < now.length && old[same].isEqualNode(now[same])) same++;
    old.splice(0, same);
    now.splice(0, same);
    while (old.length && now.length && old.at(-1).isEqualNode(now.at(-1))) { next = old.pop(); now.pop(); }
    for (const node of old) node.remove();
    for (const node of now) shown.insertBefore(document.importNode(node, true), next);
  }

  function end() {
    if (over) return;
    over = true;
    // At once: reloading takes time, and fails without a connection.
    main.replaceChildren();
    document.title = "";
    // A token that has just run out still opens the page for some seconds, but no stream.
    const [opened] = performance.getEntriesByType("navigation");
    const pause = opened?.type === "reload" ? 6000 - performance.now() : 0;
    setTimeout(() => location.reload(), Math.max(0, pause));
  }

  function watch() {
    if (over || source || document.hidden) return;
    source = new EventSource(main.dataset.events);
    // Also after each reconnection: messages edited meanwhile are not sent as events.
    source.onopen = refresh;
    for (const name of ["message", "changed", "removed", "renamed", "settings", "reset"]) {
      source.addEventListener(name, refresh);
    }
    source.addEventListener("revoked", () => { leave(); end(); });
    source.onerror = () => {
      if (source?.readyState !== EventSource.CLOSED || over) return;
      leave();
      // Refused: for good if the page is refused too, else for now.
      refresh();
      rewatch = setTimeout(watch, soon());
    };
  }

  function leave() {
    clearTimeout(retry);
    clearTimeout(rewatch);
    source?.close();
    source = undefined;
  }

  // A random delay, so that not all viewers come at the same moment.
  function soon() { return 5000 + Math.random() * 10000; }

  // A browser opens six connections to a host over HTTP/1.1, for all tabs together.
  document.addEventListener("visibilitychange", () => document.hidden ? leave() : watch());
  watch();
})();
