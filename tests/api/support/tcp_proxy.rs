//! A line to a server that can be cut, and on which nothing may arrive.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

use super::Setup;

/// Forwards to a server, until it is cut.
pub struct TcpProxy {
    pub address: SocketAddr,
    server: SocketAddr,
    listening: Arc<Mutex<Option<JoinSet<()>>>>,
    held: watch::Sender<bool>,
}

impl TcpProxy {
    /// With such a line to the PostgreSQL server.
    pub async fn before(setup: Setup) -> (Setup, Self) {
        let mut url = url::Url::parse(&setup.database_url).unwrap();
        let host = url.socket_addrs(|| Some(5432)).unwrap()[0];
        let proxy = Self::to(host).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(proxy.address.port())).unwrap();
        (setup.with("DATABASE_URL", url.as_str()), proxy)
    }

    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy =
            Self { address, server, listening: Arc::default(), held: watch::Sender::default() };
        proxy.listen(listener);
        proxy
    }

    fn listen(&self, listener: TcpListener) {
        let server = self.server;
        let held = self.held.subscribe();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((here, _)) = listener.accept().await {
                let held = held.clone();
                lines.spawn(async move {
                    let there = TcpStream::connect(server).await.unwrap();
                    let ((read_here, write_here), (read_there, write_there)) =
                        (here.into_split(), there.into_split());
                    tokio::join!(
                        forward(read_here, write_there, held.clone()),
                        forward(read_there, write_here, held),
                    );
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

    /// From now on nothing arrives, though the connections stand.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn let_go(&self) {
        self.held.send_replace(false);
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut piece = vec![0; 16 * 1024];
    // It ends as either side likes.
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if held.wait_for(|held| !held).await.is_err()
            || to.write_all(&piece[..length]).await.is_err()
        {
            return;
        }
    }
}
