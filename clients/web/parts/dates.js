const STEPS = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Moments in a language, and in the viewer's own zone. */
export class Dates {
  constructor(lang) {
    this.days = new Intl.DateTimeFormat(lang, { dateStyle: "medium" });
    this.moments = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
    this.relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  }

  day(moment) {
    return this.days.format(new Date(moment));
  }

  moment(moment) {
    return this.moments.format(new Date(moment));
  }

  ago(moment) {
    const seconds = (Date.now() - new Date(moment)) / 1000;
    const [unit, length] = STEPS.find(([, length]) => seconds >= length) ?? ["second", Infinity];
    return this.relative.format(-Math.floor(Math.max(0, seconds) / length) || 0, unit);
  }
}

/** A moment as `<input type="datetime-local">` takes it: the viewer's own zone, to the minute. */
export function toLocalInput(moment) {
  const date = new Date(moment);
  const two = (n) => String(n).padStart(2, "0");
  const day = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}
