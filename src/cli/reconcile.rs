//! `reconcile`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    artifacts::ArtifactStore,
    chat_service::ChatService,
    cli::{Failure, migrated_store, print},
    clock::Clock,
    config::{self, Env, Percent, Reconciliation},
    model::Actor,
    sharing::{Artifacts, Sharing, SharingSettings, Tally},
};

pub(super) const HELP: &str = "\
Settings: DATABASE_URL, CHAT_SERVICE_URL, CHAT_SERVICE_TOKEN (or CHAT_SERVICE_CLIENT_ID and
what goes with it), RECONCILE_MAX_GONE. --max-gone goes before the last of them.

Exit status: 0 if every chat got a clear answer, else 1.";

pub(super) async fn reconcile(env: &Env, max_gone: Option<Percent>) -> Result<ExitCode, Failure> {
    let chat_service = config::chat_service(env)?;
    if chat_service.lacks_service_credential() {
        let problem =
            "CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID is needed to ask the chat service";
        return Err(problem.into());
    }
    let configured = Reconciliation::from_env(env)?.max_gone_percent;
    let max_gone_percent = max_gone.map_or(configured, |percent| percent.0);
    let artifacts = Artifacts {
        store: ArtifactStore::open(&config::artifact_store(env, &config::database(env)?.url)?)?,
        limits: config::artifact_limits(env, chat_service.timeout)?,
    };
    let chat_service = ChatService::new(chat_service)?;
    let store = migrated_store(env).await?;
    let (clock, settings) = (Clock::system(), SharingSettings::default());
    let sharing = Sharing::new(store, chat_service, artifacts, clock, settings);
    let found = sharing.reconcile(max_gone_percent, &Actor::CommandLine).await?;
    print(&format!(
        "asked: {}\nthere: {}\ngone: {}\nlinks removed: {}\nunclear: {}",
        found.chats.asked,
        found.chats.there,
        found.chats.gone,
        found.links_removed,
        found.unclear()
    ))?;
    if found.owners.asked > 0 {
        let Tally { asked, gone, .. } = found.owners;
        print(&format!("owners asked about: {asked}\nowners who lost a chat: {gone}"))?;
    }
    if let Some(error) = &found.last_error {
        let _ = writeln!(io::stderr(), "without a clear answer, at last: {error}");
    }
    match found.refused {
        Some(refusal) => Err(refusal.into()),
        None if found.unclear() > 0 => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}
