//! A line to a server that can be cut.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Forwards to a server, until it is cut.
pub struct TcpProxy {
    pub address: SocketAddr,
    server: SocketAddr,
    listening: Arc<Mutex<Option<JoinSet<()>>>>,
}

impl TcpProxy {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Self { address, server, listening: Arc::default() };
        proxy.listen(listener);
        proxy
    }

    fn listen(&self, listener: TcpListener) {
        let server = self.server;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                lines.spawn(async move {
                    let mut there = TcpStream::connect(server).await.unwrap();
                    // It ends as either side likes.
                    let _ = copy_bidirectional(&mut here, &mut there).await;
                });
            }
        });
        *self.listening.lock().unwrap() = Some(tasks);
    }

    /// Closes every connection, and the port.
    pub async fn cut(&self) {
        let tasks = self.listening.lock().unwrap().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// The line stands again.
    pub async fn mend(&self) {
        self.listen(TcpListener::bind(self.address).await.unwrap());
    }
}
