//! Known bots, by `User-Agent`: crawlers, and what fetches a link to show a preview of it wherever it
//! was posted. It tells who says to be one, no more; programs such as curl were sent by somebody.
//!
//! To add one: a part of its `User-Agent`, in lower case, that no browser's has.

use std::sync::LazyLock;

use actix_web::{HttpRequest, http::header};
use aho_corasick::{AhoCorasick, MatchKind};

/// Words that bots call themselves by, and those of the larger ones that use none of them.
const KNOWN: &[&str] = &[
    // What most of them have: a word for their kind, or an address to complain at.
    "bot",
    "crawl",
    "spider",
    "slurp",
    "scrap",
    "archiv",
    "(+http",
    "; +http",
    "fetcher",
    "preview",
    // Link previews.
    "facebookexternalhit",
    "facebookcatalog",
    "meta-external",
    "whatsapp/",
    "skypeuri",
    "embedly",
    "iframely",
    "vkshare",
    "viber/",
    "flipboardproxy",
    "slack-imgproxy",
    "mastodon/",
    "pleroma",
    "nextcloud-talk",
    "synapse (",
    // Search engines, assistants, and what watches or measures pages.
    "google-",
    "googleother",
    "googleimageproxy",
    "mediapartners-google",
    // What an assistant fetches for whoever asked it: `…-User/1.0`.
    "-user/",
    "cohere-ai",
    "headless",
    "lighthouse",
    "phantomjs",
    "pingdom",
    "uptime",
    "statuscake",
    "site24x7",
    "checkly",
    "gtmetrix",
    "ptst/",
    "newrelicsynthetics",
    "validator",
    "linkcheck",
    "virustotal",
    "urlscan",
    // Not a bot: a maker of phones, longer than the word in it.
    NOT_A_BOT,
];

/// It begins before the word in it, so it is what is found.
const NOT_A_BOT: &str = "cubot";

/// Of a `User-Agent` that much is looked at, in bytes.
const LOOKED_AT: usize = 512;

/// `None` only if the list could not be compiled, which a test sees.
static BOTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(KNOWN)
        .ok()
});

/// Whether the request says that it comes from a known bot.
#[must_use]
pub fn is_bot(request: &HttpRequest) -> bool {
    let Some(user_agent) = request.headers().get(header::USER_AGENT) else { return false };
    says_to_be_a_bot(user_agent.as_bytes())
}

fn says_to_be_a_bot(user_agent: &[u8]) -> bool {
    let Some(bots) = &*BOTS else { return false };
    let looked_at = &user_agent[..user_agent.len().min(LOOKED_AT)];
    bots.find_iter(looked_at).any(|found| KNOWN[found.pattern().as_usize()] != NOT_A_BOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bots_are_told_from_people_and_their_programs() {
        for bot in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; \
             +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Twitterbot/1.0",
            "TelegramBot (like TwitterBot)",
            "WhatsApp/2.23.20.0 A",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
            "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             HeadlessChrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        ] {
            assert!(says_to_be_a_bot(bot.as_bytes()), "{bot}");
        }
        for person in [
            "",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
             Gecko) Version/18.1 Safari/605.1.15",
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
             like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/109.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
             like Gecko) Mobile/15E148 [Pinterest/iOS]",
            "curl/8.5.0",
            "python-requests/2.32.3",
            "OpenAPI-Generator/1.7.5/python",
        ] {
            assert!(!says_to_be_a_bot(person.as_bytes()), "{person}");
        }
    }
}
