// Brings the page of a live link up to date. What is shown always comes from the server, which has
// escaped it: an event only says when to fetch the page again.
(() => {
  const main = document.querySelector("main");
  let refreshing = false, again = false, over = false;

  async function refresh() {
    if (refreshing) { again = true; return; }
    refreshing = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-cache" });
      if ([401, 403, 404].includes(answer.status)) { end(); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (!fresh || fresh.isEqualNode(main)) return;
      const root = document.scrollingElement;
      const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 80;
      main.replaceChildren(...fresh.childNodes);
      document.title = page.title;
      if (atEnd) root.scrollTo(0, root.scrollHeight);
    } catch { /* The next event tries again. */ } finally {
      refreshing = false;
      if (again) { again = false; setTimeout(refresh, 100); }
    }
  }

  function end() {
    if (over) return;
    over = true;
    location.reload();
  }

  function watch() {
    const source = new EventSource(main.dataset.events);
    // Also after each reconnection: what was edited meanwhile is in the page alone.
    source.onopen = refresh;
    for (const name of ["message", "changed", "removed", "renamed", "settings", "reset"]) {
      source.addEventListener(name, refresh);
    }
    source.addEventListener("revoked", () => { source.close(); end(); });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED || over) return;
      // Refused: perhaps for good, which the page itself tells, perhaps for now.
      refresh();
      setTimeout(watch, 5000 + Math.random() * 10000);
    };
  }

  watch();
})();
