//! Who may do what, as text: one block for each call, one line for each kind of link or situation,
//! one column for each role. `docs/ACCESS.md` is made from it.

use std::fmt::Write;

/// Who calls, in the order of the columns.
pub const ROLES: [(&str, &str); 8] = [
    ("anonymous", "no credential"),
    ("bad token", "a token that proves nothing: expired, forged, for somewhere else"),
    ("owner", "the user who made the link, or whose chat it is"),
    ("named", "a user whom the audience of a named link names"),
    ("in the group", "a user in a group that it names"),
    ("other user", "any other user who is signed in"),
    ("administrator", "a user with the scope `shared_chats:admin`"),
    ("chat service", "a token with the scope `shared_chats:service`"),
];

/// The kinds of link that there are, in the order of the lines.
pub const KINDS: [(&str, &str); 13] = [
    ("public frozen", "with a file"),
    ("private frozen", "with a file"),
    ("public live", "with a file"),
    ("private live", "with a file"),
    ("named frozen", "private, with an audience of a user and a group, and with a file"),
    ("named live", "private, with an audience of a user and a group, and with a file"),
    ("without files", "public, frozen, of a chat that has a file, which the link does not include"),
    ("public legacy", "imported from the old system"),
    ("private legacy", "imported from the old system"),
    ("expired", "its `expires_at` has passed"),
    ("deleted", "by its owner"),
    ("of a deleted chat", "whose chat service told so"),
    ("never there", "an id of the right form that no link has"),
];

/// A call, and what is answered.
pub struct Block {
    /// As `openapi.yaml` writes it.
    pub call: &'static str,
    pub note: &'static str,
    pub lines: &'static str,
}

const fn block(call: &'static str, note: &'static str, lines: &'static str) -> Block {
    Block { call, note, lines }
}

/// Calls that name a link, for each kind of link.
pub const OF_LINKS: &[Block] = &[
    block(
        "GET /api/v1/shared_chats/{shared_chat_id}",
        "The view, as JSON or Markdown; `HEAD` is the same.",
        VIEW,
    ),
    block(
        "GET /shared/{shared_chat_id}",
        "The link itself, for a browser and for anything else.",
        VIEW,
    ),
    block(
        "GET /api/v1/shared_chats/{shared_chat_id}/qr_code",
        "It tells nothing that the caller does not know.",
        "
        public frozen       200 200 200 200 200 200 200 200
        private frozen      200 200 200 200 200 200 200 200
        public live         200 200 200 200 200 200 200 200
        private live        200 200 200 200 200 200 200 200
        named frozen        200 200 200 200 200 200 200 200
        named live          200 200 200 200 200 200 200 200
        without files       200 200 200 200 200 200 200 200
        public legacy       200 200 200 200 200 200 200 200
        private legacy      200 200 200 200 200 200 200 200
        expired             404 404 404 404 404 404 404 404
        deleted             404 404 404 404 404 404 404 404
        of a deleted chat   404 404 404 404 404 404 404 404
        never there         404 404 404 404 404 404 404 404",
    ),
    block(
        "GET /api/v1/shared_chats/{shared_chat_id}/artifacts/{artifact_id}",
        "A file of the chat. Only an id that the link's own list holds is a file; legacy links have none.",
        "
        public frozen       200 200 200 200 200 200 200 200
        private frozen      401 401 200 200 200 200 200 403
        public live         200 200 200 200 200 200 200 200
        private live        401 401 200 200 200 200 200 403
        named frozen        401 401 200 200 200 403 403 403
        named live          401 401 200 200 200 403 403 403
        without files       404 404 404 404 404 404 404 404
        public legacy       404 404 404 404 404 404 404 404
        private legacy      401 401 404 404 404 404 404 403
        expired             404 404 404 404 404 404 404 404
        deleted             404 404 404 404 404 404 404 404
        of a deleted chat   404 404 404 404 404 404 404 404
        never there         404 404 404 404 404 404 404 404",
    ),
    block(
        "GET /api/v1/shared_chats/{shared_chat_id}/events",
        "400: nothing happens on a frozen link.",
        "
        public frozen       400 400 400 400 400 400 400 400
        private frozen      401 401 400 400 400 400 400 403
        public live         200 200 200 200 200 200 200 200
        private live        401 401 200 200 200 200 200 403
        named frozen        401 401 400 400 400 403 403 403
        named live          401 401 200 200 200 403 403 403
        without files       400 400 400 400 400 400 400 400
        public legacy       400 400 400 400 400 400 400 400
        private legacy      401 401 400 400 400 400 400 403
        expired             404 404 404 404 404 404 404 404
        deleted             404 404 404 404 404 404 404 404
        of a deleted chat   404 404 404 404 404 404 404 404
        never there         404 404 404 404 404 404 404 404",
    ),
    block(
        "PATCH /api/v1/shared_chats/{shared_chat_id}",
        "Whether it changes much, little or nothing.",
        OWNERS,
    ),
    block("DELETE /api/v1/shared_chats/{shared_chat_id}", "", OWNERS),
    block(
        "GET /api/v1/shared_chats/{shared_chat_id}/activity",
        "How often it was seen. A legacy link has no owner.",
        "
        public frozen       401 401 200 403 403 403 403 403
        private frozen      401 401 200 403 403 403 403 403
        public live         401 401 200 403 403 403 403 403
        private live        401 401 200 403 403 403 403 403
        named frozen        401 401 200 403 403 403 403 403
        named live          401 401 200 403 403 403 403 403
        without files       401 401 200 403 403 403 403 403
        public legacy       401 401 403 403 403 403 403 403
        private legacy      401 401 403 403 403 403 403 403
        expired             401 401 404 404 404 404 404 404
        deleted             401 401 404 404 404 404 404 404
        of a deleted chat   401 401 404 404 404 404 404 404
        never there         401 401 404 404 404 404 404 404",
    ),
    block(
        "POST /api/v1/shared_chats/batch_delete",
        "Of this link alone. Links that are not there are skipped.",
        "
        public frozen       401 401 204 403 403 403 403 403
        private frozen      401 401 204 403 403 403 403 403
        public live         401 401 204 403 403 403 403 403
        private live        401 401 204 403 403 403 403 403
        named frozen        401 401 204 403 403 403 403 403
        named live          401 401 204 403 403 403 403 403
        without files       401 401 204 403 403 403 403 403
        public legacy       401 401 409 409 409 409 409 403
        private legacy      401 401 409 409 409 409 409 403
        expired             401 401 204 204 204 204 204 403
        deleted             401 401 204 204 204 204 204 403
        of a deleted chat   401 401 204 204 204 204 204 403
        never there         401 401 204 204 204 204 204 403",
    ),
];

const VIEW: &str = "
        public frozen       200 200 200 200 200 200 200 200
        private frozen      401 401 200 200 200 200 200 403
        public live         200 200 200 200 200 200 200 200
        private live        401 401 200 200 200 200 200 403
        named frozen        401 401 200 200 200 403 403 403
        named live          401 401 200 200 200 403 403 403
        without files       200 200 200 200 200 200 200 200
        public legacy       200 200 200 200 200 200 200 200
        private legacy      401 401 200 200 200 200 200 403
        expired             404 404 404 404 404 404 404 404
        deleted             404 404 404 404 404 404 404 404
        of a deleted chat   404 404 404 404 404 404 404 404
        never there         404 404 404 404 404 404 404 404";

const OWNERS: &str = "
        public frozen       401 401 204 403 403 403 403 403
        private frozen      401 401 204 403 403 403 403 403
        public live         401 401 204 403 403 403 403 403
        private live        401 401 204 403 403 403 403 403
        named frozen        401 401 204 403 403 403 403 403
        named live          401 401 204 403 403 403 403 403
        without files       401 401 204 403 403 403 403 403
        public legacy       401 401 409 409 409 409 409 403
        private legacy      401 401 409 409 409 409 409 403
        expired             401 401 404 404 404 404 404 404
        deleted             401 401 404 404 404 404 404 404
        of a deleted chat   401 401 404 404 404 404 404 404
        never there         401 401 404 404 404 404 404 404";

/// The other calls, for each situation.
pub const OTHERS: &[Block] = &[
    block(
        "POST /api/v1/shared_chats",
        "The owner is whose chat it is. The chat service decides about users; 400: it must name an owner itself.",
        "
        the owner's chat                    401 401 201 403 403 403 403 400
        a live link to it                   401 401 201 403 403 403 403 400
        a chat that there is not            401 401 404 404 404 404 404 400
        a chat that was deleted             401 401 404 403 403 403 403 400
        for the owner, by name              401 401 403 403 403 403 403 201
        with the owner's idempotency key    401 401 201 403 403 403 403 400",
    ),
    block(
        "GET /api/v1/shared_chats",
        "The caller's own links alone.",
        "
        everything                          401 401 200 200 200 200 200 403
        of the owner's chat                 401 401 200 200 200 200 200 403",
    ),
    block(
        "POST /api/v1/shared_chats/batch_delete",
        "All or nothing.",
        "
        an own link and the owner's         401 401 204 403 403 403 403 403
        an own link and a legacy one        401 401 409 409 409 409 409 403
        an own link and none                401 401 204 204 204 204 204 403",
    ),
    block(
        "GET /api/v1/chats/{chat_session_id}/shared_chats",
        "All links of the chat, with their owners.",
        "
        the owner's chat                    401 401 403 403 403 403 403 200
        a chat that there is not            401 401 403 403 403 403 403 200",
    ),
    block(
        "DELETE /api/v1/chats/{chat_session_id}/shared_chats",
        "The chat was deleted.",
        "
        the owner's chat                    401 401 403 403 403 403 403 200
        a chat that there is not            401 401 403 403 403 403 403 200",
    ),
    block(
        "DELETE /api/v1/chats/{chat_session_id}/owners/{owner_id}/shared_chats",
        "The owner may not share the chat any more.",
        "
        the owner's chat                    401 401 403 403 403 403 403 200
        a chat that there is not            401 401 403 403 403 403 403 200",
    ),
    block(
        "POST /api/v1/chats/{chat_session_id}/changes",
        "",
        "
        the owner's chat                    401 401 403 403 403 403 403 202
        a chat that there is not            401 401 403 403 403 403 403 202",
    ),
    block(
        "GET /api/v1/admin/shared_chats",
        "All owners' links.",
        "
        everything                          401 401 403 403 403 403 200 403",
    ),
    block(
        "POST /api/v1/admin/shared_chats/batch_delete",
        "Of any owner; a legacy one too.",
        "
        the owner's link                    401 401 403 403 403 403 204 403",
    ),
    block(
        "DELETE /api/v1/users/{user_id}/shared_chats",
        "The user left.",
        "
        the owner                           401 401 403 403 403 403 200 200",
    ),
    block(
        "DELETE /api/v1/users/{user_id}",
        "The person is erased.",
        "
        the owner                           401 401 403 403 403 403 200 403",
    ),
    block(
        "GET /api/v1/policy",
        "A dialog needs it.",
        "
        always                              401 401 200 200 200 200 200 200",
    ),
    block(
        "PUT /api/v1/policy",
        "",
        "
        as it is                            401 401 403 403 403 403 200 403",
    ),
    block("GET /health/live", "", PUBLIC),
    block("GET /health/ready", "", PUBLIC),
    block("GET /openapi.json", "", PUBLIC),
    block("GET /openapi.yaml", "", PUBLIC),
];

const PUBLIC: &str = "
        always                              200 200 200 200 200 200 200 200";

impl Block {
    /// What stands at the head of each line, with the statuses by role.
    pub fn rows(&self) -> Vec<(&'static str, [u16; ROLES.len()])> {
        let lines = self.lines.trim().lines().map(str::trim);
        let rows = lines.map(|line| {
            let (what, statuses) = line.split_at(line.find(|c: char| c.is_ascii_digit()).unwrap());
            let statuses: Vec<u16> =
                statuses.split_whitespace().map(|status| status.parse().unwrap()).collect();
            (what.trim(), statuses.try_into().unwrap())
        });
        rows.collect()
    }
}

/// `docs/ACCESS.md`.
pub fn document() -> String {
    let mut text = String::from(
        "# Who may do what\n\n\
         Every call of the API, by everybody who may send one, for every kind of link: the status of the answer. `tests/api/access.rs` sends all of them to\n\
         the running service, on both databases, and checks besides that a refused call changes nothing and asks the chat service nothing it need not. The\n\
         tables are `tests/api/access/table.rs`; this page is made from them: `RENEW_DOCS=1 cargo test --test api access`.\n\n\
         A 2xx admits; 401 is for who is not known, 403 for who is known and may not, 404 for what is not there, or not any more, 409 for a legacy link,\n\
         which no caller can change.\n\n",
    );
    list(&mut text, "who", &ROLES);
    list(&mut text, "link", &KINDS);
    for (title, first, blocks) in
        [("Calls on a link", "link", OF_LINKS), ("Other calls", "what", OTHERS)]
    {
        let _ = writeln!(text, "## {title}\n");
        for block in blocks {
            let _ = writeln!(text, "### `{}`\n", block.call);
            if !block.note.is_empty() {
                let _ = writeln!(text, "{}\n", block.note);
            }
            let roles = ROLES.map(|(role, _)| role).join(" | ");
            let _ =
                writeln!(text, "| {first} | {roles} |\n| --- |{}", " --- |".repeat(ROLES.len()));
            for (what, statuses) in block.rows() {
                let _ =
                    writeln!(text, "| {what} | {} |", statuses.map(|s| s.to_string()).join(" | "));
            }
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn list(text: &mut String, what: &str, rows: &[(&str, &str)]) {
    let _ = writeln!(text, "| {what} | |\n| --- | --- |");
    for (name, meaning) in rows {
        let _ = writeln!(text, "| {name} | {meaning} |");
    }
    text.push('\n');
}
