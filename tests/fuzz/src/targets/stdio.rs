//! Lines on standard input.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context as Task, Poll, Waker},
};

use bytes::Bytes;
use edgemcp::stdio::{Connection, Lines};
use futures_core::Stream;

use crate::{
    asked::{Asked, asked},
    said::Message,
    server::OPEN,
    stage::Stage,
};

/// How many lines are read: each may take a while.
const LINES: usize = 16;

pub(crate) fn run(data: &[u8]) {
    let stage = Stage::new(&OPEN);
    let connection = Connection::new(stage.service.clone(), stage.platform.clone());
    let mut notices = connection.notices();
    let (mut open, mut said, mut asks) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for line in data.split(|byte| *byte == b'\n').take(LINES) {
        // A client answers by the server's own ids.
        let line = Bytes::from(fill(line, &asks));
        lines.push(line.clone());
        open.push(connection.receive(line));
        open.retain_mut(|lines| !read(lines, &mut said));
        read_notices(&mut notices, &mut said);
        asks = said
            .iter()
            .flat_map(|line| messages(line))
            .filter_map(|said| said.asks().map(str::to_owned))
            .collect();
    }
    stage.wait(|| {
        open.retain_mut(|lines| !read(lines, &mut said));
        read_notices(&mut notices, &mut said);
        open.is_empty()
    });
    check(&lines, &said);
    stage.settle();
    stage.has_no_fault();
}

/// The line, with the id of the last thing asked in place of `{ask}`.
fn fill(line: &[u8], asks: &[String]) -> Vec<u8> {
    match (std::str::from_utf8(line), asks.last()) {
        (Ok(text), Some(ask)) => text.replace("{ask}", ask).into_bytes(),
        _ => line.to_vec(),
    }
}

/// Reads what is there now; says whether there is nothing more to come.
fn read(lines: &mut Lines, said: &mut Vec<Bytes>) -> bool {
    let mut task = Task::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut *lines).poll_next(&mut task) {
            Poll::Ready(Some(line)) => said.push(line),
            Poll::Ready(None) => return true,
            Poll::Pending => return false,
        }
    }
}

fn read_notices(notices: &mut edgemcp::future::BoxStream<'static, Bytes>, said: &mut Vec<Bytes>) {
    let mut task = Task::from_waker(Waker::noop());
    while let Poll::Ready(Some(notice)) = notices.as_mut().poll_next(&mut task) {
        said.push(notice);
    }
}

/// The messages of a line.
fn messages(line: &[u8]) -> Vec<Message<'_>> {
    match line.starts_with(b"[") {
        true => crate::said::whole(line),
        false => vec![Message::read(line)],
    }
}

/// Each line that comes out is one message, and each request is answered once at most.
fn check(lines: &[Bytes], said: &[Bytes]) {
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    let mut unread = 0;
    for line in lines {
        count(&asked(line), &mut open, &mut unread);
    }
    for line in said {
        assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "not one line: {line:?}");
        for message in messages(line).iter().filter(|message| message.is_answer()) {
            let left = match message.answers() {
                Some(id) => open.get_mut(id).unwrap_or_else(|| panic!("nobody asked: {line:?}")),
                None => &mut unread,
            };
            assert!(*left > 0, "answered twice: {line:?}");
            *left -= 1;
        }
    }
}

fn count(asked: &Asked<'_>, open: &mut BTreeMap<String, usize>, unread: &mut usize) {
    match asked {
        Asked::Request(id) => *open.entry((*id).to_owned()).or_default() += 1,
        Asked::Batch(messages) => {
            *unread += 1;
            messages.iter().for_each(|message| count(message, open, unread));
        }
        Asked::Strange | Asked::Response | Asked::Notification => *unread += 1,
    }
}
