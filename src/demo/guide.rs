//! Shares chats by the API of the running service, and prints what to try.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use serde::Deserialize;
use serde_json::json;

use super::{Failure, users::User};
use crate::qr;

/// With a token.
type SignedIn = (User, String);

/// The values in the printed lines.
pub(super) struct Guide {
    /// The address of the chat product.
    pub product: String,
    /// Whether others reach the service, who do not reach the product.
    pub is_reached_from_elsewhere: bool,
    /// The service's origin, as programs on this machine reach it.
    pub service: String,
    /// The public URL.
    pub base: String,
    pub chats: PathBuf,
    /// One or two.
    pub users: Vec<SignedIn>,
    /// The token of an administrator.
    pub admin: String,
    pub client: reqwest::Client,
}

#[derive(Deserialize)]
struct Link {
    id: String,
    url: String,
}

impl Guide {
    /// Shares the first user's first chat, frozen and live, and prints the guide.
    pub(super) async fn show(&self) -> Result<(), Failure> {
        let Some(owner) = self.users.first() else { return Ok(()) };
        let viewer = self.users.last().unwrap_or(owner);
        let link = self.share(owner, true).await?;
        let live = self.share(owner, false).await?;
        let mut out = stdout().lock();
        self.print(&mut out, owner, viewer, [&link, &live])?;
        Ok(out.flush()?)
    }

    async fn share(&self, (owner, token): &SignedIn, is_frozen: bool) -> Result<Link, Failure> {
        let response = self
            .client
            .post(format!("{}/api/v1/shared_chats", self.service))
            .bearer_auth(token)
            .json(&json!({
                "chat_session_id": owner.chats.first().map(|chat| &chat.id),
                "is_frozen": is_frozen,
                "label": "from the demo",
            }))
            .send()
            .await?;
        if !response.status().is_success() {
            return Err(format!("the chat was not shared: {}", response.text().await?).into());
        }
        Ok(response.json().await?)
    }

    fn print(
        &self,
        out: &mut impl Write,
        (owner, token): &SignedIn,
        (_, viewer_token): &SignedIn,
        [link, live]: [&Link; 2],
    ) -> Result<(), Failure> {
        let Self { service, base, chats, .. } = self;
        let id = &link.id;
        let chat = owner.chats.first().map_or("", |chat| &chat.id);
        let other = owner.chats.get(1).map_or(chat, |chat| &chat.id);
        writeln!(out, "Open this in a browser: a chat product that shares chats.\n")?;
        writeln!(out, "  {}\n", self.product)?;
        if self.is_reached_from_elsewhere {
            writeln!(
                out,
                "It hands out tokens, so it is served to browsers on this machine alone: not to your \
                 network,\nnor from within a container. Only links open elsewhere.\n"
            )?;
        }
        writeln!(out, "The service is listening on {service}\n")?;
        writeln!(out, "{} shared the chat \"{chat}\". Open it in a browser:\n", owner.id)?;
        writeln!(out, "  {}\n", link.url)?;
        writeln!(out, "{}", qr::render_terminal(&link.url)?)?;
        if base.contains("127.0.0.1") {
            writeln!(
                out,
                "A phone reaches this machine only by its address in your network: start it with\n\
                 BIND_ADDRESS=0.0.0.0:8080 PUBLIC_URL=http://ADDRESS:8080\n"
            )?;
        }
        writeln!(out, "Chats come from {}", chats.display())?;
        writeln!(out, "Tokens, valid for eight hours:\n")?;
        for (user, token) in &self.users {
            writeln!(out, "  {}: {token}\n", user.id)?;
        }
        let links = format!("{service}/api/v1/shared_chats");
        let auth = format!("-H 'Authorization: Bearer {token}'");
        let viewer_auth = format!("-H 'Authorization: Bearer {viewer_token}'");
        let json = "-H 'Content-Type: application/json'";
        let policy = |widest: &str| {
            format!(
                "curl -sS -X PUT {service}/api/v1/policy -H 'Authorization: Bearer {}' {json} -d \
                 '{{\"widest_audience\": \"{widest}\", \"max_lifetime_seconds\": null, \
                 \"allows_artifacts\": true}}'",
                self.admin
            )
        };
        for (what, line) in [
            ("Anyone with the link sees the chat:", format!("curl -sS {links}/{id}")),
            ("Its QR code:", format!("curl -sS '{links}/{id}/qr_code?format=svg'")),
            (
                "Share another one, for signed-in users, until the end of 2099:",
                format!(
                    "curl -sS {links} {auth} {json} -d '{{\"chat_session_id\": \"{other}\", \
                     \"is_private\": true, \"expires_at\": \"2099-12-31T23:59:59Z\"}}'"
                ),
            ),
            ("List one's own links:", format!("curl -sS '{links}?filter_type=all' {auth}")),
            (
                "As an administrator, let every public link of this service ask to sign in:",
                policy("signed_in"),
            ),
            ("And switch them on again:", policy("anyone")),
            (
                "Make the first one private:",
                format!(
                    "curl -sS -i -X PATCH {links}/{id} {auth} {json} -d '{{\"is_private\": true}}'"
                ),
            ),
            ("Now only signed-in users see it:", format!("curl -sS {links}/{id} {viewer_auth}")),
            ("Delete it:", format!("curl -sS -i -X DELETE {links}/{id} {auth}")),
        ] {
            writeln!(out, "{what}\n  {line}\n")?;
        }
        writeln!(
            out,
            "A live link to the same chat, whose page shows what is new by itself:\n\n  {}\n",
            live.url
        )?;
        // Unlike the commands above, this one does not end by itself.
        writeln!(out, "Watch it from another terminal: curl -N {links}/{}/events\n", live.id)?;
        writeln!(
            out,
            "Then edit a message of \"{chat}\" in this file, or add one, and save it; a second later \
             that line tells of it:\n  {}\n",
            chats.display()
        )?;
        writeln!(out, "The API to browse: {service}/docs/")?;
        writeln!(out, "Ctrl-C ends the demo and leaves nothing behind.")?;
        Ok(())
    }
}
