// Shows times in the viewer's zone; without script they are in UTC. live.js calls it again for
// content that it adds.
function showLocalTimes(page) {
  const local = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  for (const time of page.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    if (isNaN(moment)) continue;
    time.title = time.textContent;
    time.textContent = local.format(moment);
  }
}
showLocalTimes(document);
