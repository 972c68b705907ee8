//! What this thread logs, for tests.

use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

/// The lines since the beginning.
pub struct LogLines {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl LogLines {
    pub fn begin() -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || Writer(writer.clone()))
            .finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines of this level that this crate wrote.
    pub fn of(&self, level: &str) -> Vec<String> {
        let text = String::from_utf8(self.written.lock().unwrap().clone()).unwrap();
        let is_ours = format!(" {level} shared_chats::");
        text.lines().filter(|line| line.contains(&is_ours)).map(str::to_owned).collect()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
