import { accessOf, latestEnd } from "../parts/access.js";
import { nameOf } from "../parts/audience.js";
import { h } from "../parts/h.js";

/** Names that a sentence lists; more are counted. */
const MOST_NAMES = 3;

/**
 * What viewers of a link see, as one sentence in strings and elements. Where the policy narrows the
 * link, it says what holds.
 *
 * @param {object} settings of a row, or as a create has them; `created_at` is missing where there
 *   is no link yet
 */
export function sentence({ t, dates, people, canName, policy }, settings) {
  const limited = new Set(settings.limited_by_policy ?? []);
  const latest = latestEnd(policy, settings.updated_at ? Date.parse(settings.updated_at) : Date.now());
  const own = settings.expires_at ? Date.parse(settings.expires_at) : Infinity;
  const end = Math.min(own, latest ?? Infinity);
  const hasFiles = settings.includes_artifacts && !limited.has("includes_artifacts");
  const what = settings.is_frozen ? (settings.created_at ? "frozen" : "now") : "live";
  return t.nodes("share.sentence", {
    who: h("span", {}, ...who({ t, people, canName, policy }, settings, limited)),
    what: t(`share.what.${what}`, { date: settings.created_at ? dates.moment(settings.created_at) : "" }),
    files: t(hasFiles ? "share.withFiles" : "share.withoutFiles"),
    end: end === Infinity ? t("share.noEnd") : t("share.end", { date: dates.moment(end) }),
  });
}

/** The same in a few words, for a list: what is stored, and when it ends. */
export function brief({ t, dates, people, canName, policy }, row) {
  const access = accessOf(row);
  const whose =
    access === "named" ? who({ t, people, canName, policy }, row, new Set(), true) : [t(`share.access.${access}`)];
  const latest = row.limited_by_policy.includes("expires_at") ? latestEnd(policy, Date.parse(row.updated_at)) : null;
  const end = latest ?? (row.expires_at && Date.parse(row.expires_at));
  const rest = [
    t(`share.brief.${row.is_frozen ? "frozen" : "live"}`),
    row.includes_artifacts && t("share.brief.files"),
    end && t(`share.brief.${end > Date.now() ? "end" : "ended"}`, { date: dates.moment(end) }),
  ];
  return [...whose, ...rest.filter(Boolean).map((text) => ` · ${text}`)];
}

function who({ t, people, canName, policy }, settings, limited, isBrief = false) {
  let access = accessOf(settings);
  // Where the policy is not known, or changed since, what is stored is said: it may be so wide.
  const widest = policy?.widest_audience ?? "anyone";
  if (widest !== "anyone" && (limited.has("is_private") || limited.has("audience")))
    access = widest === "signed_in" ? "signed_in" : "owner";
  if (access !== "named") return [t(`share.who.${access}`)];
  const { audience } = settings;
  if (!canName || audience.length > MOST_NAMES)
    return [t(isBrief ? "share.who.countShort" : "share.who.count", { n: audience.length })];
  const names = audience.map((principal) => h("bdi", { class: "name" }, nameOf(t, people, principal)));
  const all = isBrief ? names : [...names, t("share.who.you")];
  const parts = new Intl.ListFormat(t.lang, { type: "conjunction" }).formatToParts(all.map((_, at) => String(at)));
  const list = parts.map(({ type, value }) => (type === "element" ? all[Number(value)] : value));
  return isBrief ? list : t.nodes("share.who.names", { names: h("span", {}, ...list) });
}
