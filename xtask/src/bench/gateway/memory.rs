//! What idle sessions cost in memory: resident memory before and after, divided by their number.

use std::path::Path;

use anyhow::Context;

use super::{
    load::{self, Clients, Connection},
    programs::{Program, Target},
};
use crate::report;

/// Fresh programs, since memory that was freed before would be used again and count as none.
pub(super) fn run(mcpt: &Path, count: usize) -> anyhow::Result<()> {
    let demo = Program::demo(mcpt)?;
    let gateway = Program::gateway(mcpt, demo.target())?;
    let nginx = Program::nginx(demo.target())?;
    let ours = per_session(&gateway, count).context("gateway")?;
    let theirs = per_session(&nginx, count).context("nginx")?;
    report::result(format!(
        "memory per idle session ({count} of them): gateway {:.2} KB; with its stream open: gateway {:.1} KB, nginx {:.1} KB, \
         ratio {:.2}",
        ours.idle,
        ours.streaming,
        theirs.streaming,
        ours.streaming / theirs.streaming
    ));
    Ok(())
}

/// Kilobytes of resident memory per session.
struct PerSession {
    /// Without any connection.
    idle: f64,
    /// With a GET stream, which is a connection of the client and one to the server.
    streaming: f64,
}

fn per_session(program: &Program, count: usize) -> anyhow::Result<PerSession> {
    // Whatever is made once and kept is made now.
    let mut clients = Clients::open(program.target(), 8)?;
    clients.call(super::WARM_UP, None)?;
    clients.close()?;
    let runtime = load::runtime()?;
    let before = program.memory()?;
    let sessions = runtime.block_on(open(program.target(), count))?;
    let idle = program.memory()?;
    let mut streams = Vec::with_capacity(count);
    for session in &sessions {
        let opened = runtime.block_on(async {
            let mut connection = Connection::open(program.target()).await?;
            let stream = connection.stream(session).await?;
            anyhow::Ok((connection, stream))
        });
        streams.push(opened?);
    }
    let streaming = program.memory()?;
    let each = |bytes: f64| bytes / 1024.0 / count as f64;
    Ok(PerSession {
        idle: each(idle - before),
        streaming: each(streaming - before),
    })
}

/// Sessions one after the other over the same connection, so that no memory but theirs is added.
async fn open(target: &Target, count: usize) -> anyhow::Result<Vec<hyper::header::HeaderValue>> {
    let mut connection = Connection::open(target).await?;
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        sessions.push(connection.initialize().await?);
    }
    Ok(sessions)
}
