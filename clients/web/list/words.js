import { accessOf, latestEnd } from "../parts/access.js";

/** What a link's settings mean, in words. */

/** Characters of a name in a sentence. */
const LONGEST_NAME = 80;

/** A name within a sentence: its own direction ends with it, and the sentence stays readable. */
export function nameText(t, { name }) {
  const letters = [...(name?.trim() || t("common.untitled"))];
  const text =
    letters.length > LONGEST_NAME
      ? `${letters.slice(0, LONGEST_NAME).join("")}…`
      : letters.join("");
  return `\u2068${text}\u2069`;
}

export function accessText(t, row) {
  const access = accessOf(row);
  if (access === "named") return t("list.named", { n: row.audience.length });
  return t(`share.access.${access}`);
}

/** That an audience is kept while the link is public; empty where there is none. */
export function keptText(t, row) {
  if (row.is_private || !row.audience) return "";
  return row.audience.length
    ? t("list.kept.named", { n: row.audience.length })
    : t("list.kept.owner");
}

/** What a change of the switch has come to. */
export function toggledText(t, row, field) {
  if (field === "includes_artifacts")
    return t(row.includes_artifacts ? "list.done.filesOn" : "list.done.filesOff");
  return [t("list.done.access", { access: accessText(t, row) }), keptText(t, row)]
    .filter(Boolean)
    .join(" ");
}

/** A sentence for each thing that the policy narrows. */
export function limitedTexts(t, dates, row, policy) {
  const limited = new Set(row.limited_by_policy);
  if (!limited.size) return [];
  if (!policy) return [t("list.limited.something")];
  const sentences = [];
  if (limited.has("is_private") || limited.has("audience")) {
    sentences.push(
      t(policy.widest_audience === "signed_in" ? "list.limited.signedIn" : "list.limited.owner"),
    );
  }
  if (limited.has("includes_artifacts")) sentences.push(t("list.limited.files"));
  if (limited.has("expires_at")) {
    const end = latestEnd(policy, Date.parse(row.updated_at));
    const key = end === null ? "something" : end > Date.now() ? "ends" : "ended";
    sentences.push(t(`list.limited.${key}`, end === null ? {} : { date: dates.moment(end) }));
  }
  return sentences;
}

export function endText(t, dates, row) {
  if (!row.expires_at) return "";
  const key = Date.parse(row.expires_at) > Date.now() ? "list.ends" : "list.ended";
  return t(key, { date: dates.moment(row.expires_at) });
}

export function activityText(t, dates, { views, downloads, last_viewed_at }) {
  if (!views) return t("list.activity.none");
  const parts = [t("list.activity.views", { n: views })];
  if (last_viewed_at) parts.push(t("list.activity.last", { ago: dates.ago(last_viewed_at) }));
  if (downloads) parts.push(t("list.activity.downloads", { n: downloads }));
  return parts.join(" · ");
}
