//! Requests without a reader. Known bots, by `User-Agent`: crawlers, and fetchers of link previews.
//! It finds bots that identify themselves, no others; programs such as curl do not count as bots.
//!
//! To add one: a part of its `User-Agent`, in lower case, that no browser has.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderValue},
};
use aho_corasick::{AhoCorasick, MatchKind};

/// Substrings that most bots have in their `User-Agent`, and those of larger bots without any.
const KNOWN: &[&str] = &[
    // Generic words, and contact addresses.
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
    "mattermost-",
    "rocket.chat/",
    "notionembed",
    "cardyb",
    "webexteams",
    // Word, Outlook and others open a link themselves before the browser does.
    "microsoft office",
    "ms-office",
    "msoffice",
    "synapse (",
    // Search engines, assistants, and monitoring.
    "google-",
    "googleother",
    "googleimageproxy",
    "mediapartners-google",
    // An assistant's fetch on behalf of its user: `…-User/1.0`.
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
    // A phone vendor: longer than the "bot" in it, so that this is the match.
    NOT_A_BOT,
];

const NOT_A_BOT: &str = "cubot";

/// How many bytes of a `User-Agent` are searched.
const MAX_SEARCHED: usize = 512;

/// `None` only if the list does not compile; a test would fail.
static BOTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(KNOWN)
        .ok()
});

/// `Sec-Purpose` is that of the Fetch standard, the others are of older browsers.
const PURPOSES: [&str; 3] = ["sec-purpose", "purpose", "x-moz"];

/// Whether a browser fetches this in case its user opens it.
pub fn is_prefetch(request: &HttpRequest) -> bool {
    // `prefetch`, also with parameters: `prefetch;prerender`.
    let says_so = |value: &HeaderValue| {
        let mut words = value.as_bytes().split(|byte| b";, ".contains(byte));
        words.any(|word| word.eq_ignore_ascii_case(b"prefetch"))
    };
    PURPOSES.iter().any(|name| request.headers().get_all(*name).any(says_so))
}

/// Whether the request's `User-Agent` is that of a known bot.
pub fn is_bot(request: &HttpRequest) -> bool {
    request.headers().get(header::USER_AGENT).is_some_and(|value| names_a_bot(value.as_bytes()))
}

fn names_a_bot(user_agent: &[u8]) -> bool {
    let Some(bots) = &*BOTS else { return false };
    let searched = &user_agent[..user_agent.len().min(MAX_SEARCHED)];
    bots.find_iter(searched).any(|found| KNOWN[found.pattern().as_usize()] != NOT_A_BOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bots_are_told_from_browsers_and_other_programs() {
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
            "Mattermost-Bot/1.1",
            "mattermost-5.31.0",
            // By default Rocket.Chat puts itself behind the name of a browser.
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/105.0.0.0 Safari/537.36 Rocket.Chat/7.2.0",
            "NotionEmbedder",
            "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
            "WebexTeams",
            "Microsoft Office Existence Discovery",
            "Microsoft Office Word 2014",
            "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)",
            "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
        ] {
            assert!(names_a_bot(bot.as_bytes()), "{bot}");
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
            // Apps that show pages to a person.
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Mattermost/5.10.1 Chrome/130.0.6723.59 Electron/33.0.2 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like \
             Gecko) Notion/4.2.1 Chrome/130.0.6723.59 Electron/33.0.2 Safari/537.36",
            "curl/8.5.0",
            "python-requests/2.32.3",
            "OpenAPI-Generator/1.7.5/python",
        ] {
            assert!(!names_a_bot(person.as_bytes()), "{person}");
        }
    }
}
