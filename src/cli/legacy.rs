//! `legacy import`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::ExitCode,
};

use crate::{
    cli::{Failure, migrated_store, print},
    clock::Clock,
    config::{self, Env},
    sharing::{LegacyImport, NotImported},
};

pub(super) const HELP: &str = "\
A line: {\"token\", \"name\"?, \"chat_session_id\"?, \"shared_by\"?, \"is_private\"=false, \"created_at\", \"expires_at\",
         \"messages\": [{\"id\"?, \"role\"?, \"reply_to\"?, \"content\", \"created_at\"?}]}

It can be repeated: a token that is there already is left as it is. A line that is not a link is reported on
standard error, with its number and why, and stops none of the others.

Exit status: 0, or 1 if a line was bad or the import ended early.";

/// Imports the file, or standard input for `-`.
pub(super) async fn import(env: &Env, file: &Path) -> Result<ExitCode, Failure> {
    let input: Box<dyn BufRead + Send> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let store = migrated_store(env).await?;
    let max_snapshot_bytes = config::max_snapshot_bytes(env)?;
    let import = LegacyImport { store, clock: Clock::system(), max_snapshot_bytes };
    let counts = import
        .run(input, |report| {
            let why = match report.why {
                NotImported::Bad(why) => why,
                NotImported::ChatDeleted => "not imported, its chat was deleted".to_owned(),
            };
            // The import goes on where standard error is closed.
            let _ = writeln!(io::stderr(), "line {}: {why}", report.line);
        })
        .await?;
    print(&format!(
        "imported: {}\nalready there: {}\nexpired: {}\nchat deleted: {}\nbad: {}",
        counts.imported, counts.already_there, counts.expired, counts.chat_deleted, counts.bad
    ))?;
    Ok(if counts.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
