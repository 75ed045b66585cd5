//! A line between a store and its Redis that a test can cut, or let go dead as a forgetful network does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What becomes of what Redis answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It comes through.
    Whole,
    /// The connection breaks instead of the answer, once; those after it are whole.
    CutAtTheNextAnswer,
}

pub(crate) struct Wire {
    pub(crate) port: u16,
    line: watch::Sender<Line>,
    dead_below: watch::Sender<usize>,
    connections: Arc<AtomicUsize>,
}

impl Wire {
    /// A line to the Redis at `port`.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (line, dead_below) = (watch::Sender::new(Line::Whole), watch::Sender::new(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let (line_of, dead_of, count) = (line.clone(), dead_below.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let is_dead = {
                    let dead = dead_of.subscribe();
                    move || number < *dead.borrow()
                };
                tokio::spawn(carry(near_in, far_out, is_dead.clone(), || false));
                let line = line_of.clone();
                // It is only the one answer that is cut.
                let cut =
                    move || line.send_if_modified(|line| std::mem::replace(line, Line::Whole) != Line::Whole);
                tokio::spawn(carry(far_in, near_out, is_dead, cut));
            }
        });
        Self { port: own, line, dead_below, connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The next answer, of whatever connection, does not come: its connection breaks.
    pub(crate) fn cut_the_next_answer(&self) {
        self.line.send_replace(Line::CutAtTheNextAnswer);
    }

    /// Nothing comes through the connections that are there, and nobody is told so.
    pub(crate) fn forget_the_connections(&self) {
        self.dead_below.send_replace(self.connections());
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_dead: impl Fn() -> bool,
    cut: impl Fn() -> bool,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes) = from.read(&mut buffer).await
        && bytes > 0
    {
        if is_dead() {
            continue;
        }
        if cut() {
            // Both ends are dropped, and with them the connection.
            return;
        }
        let Some(read) = buffer.get(..bytes) else { return };
        if to.write_all(read).await.is_err() {
            return;
        }
    }
}
