//! The programs on the hosts.

use super::error::Cause;
use crate::Net;
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use tokio::task::JoinSet;

/// A program with the host that it runs on.
pub(super) struct Program {
    host: String,
    future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    /// The simulation waits for its end.
    awaited: bool,
}

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

impl Program {
    pub(super) fn new(
        host: String,
        future: impl Future<Output = Outcome> + Send + 'static,
        awaited: bool,
    ) -> Self {
        Self {
            host,
            future: Box::pin(future),
            awaited,
        }
    }
}

/// Runs programs on their hosts' stacks until all that are awaited have ended, or one has failed.
pub(super) async fn run(programs: Vec<Program>, nets: &HashMap<String, Net>) -> Result<(), Cause> {
    let mut tasks = JoinSet::new();
    let mut hosts = HashMap::new();
    let mut awaited = 0;
    for program in programs {
        awaited += usize::from(program.awaited);
        let net = nets.get(&program.host).expect("every host has a stack");
        let (net, future) = (net.clone(), program.future);
        let task = tasks.spawn(async move { net.scope(future).await });
        hosts.insert(task.id(), (program.host, program.awaited));
    }
    while awaited > 0 {
        let Some(ended) = tasks.join_next_with_id().await else {
            break;
        };
        match ended {
            Ok((id, outcome)) => {
                let (host, waits) = hosts.remove(&id).expect("each task ends once");
                outcome.map_err(|error| Cause::Program { host, error })?;
                awaited -= usize::from(waits);
            }
            Err(error) => {
                let host = hosts.remove(&error.id()).expect("each task ends once").0;
                return Err(Cause::Panic { host });
            }
        }
    }
    Ok(())
}
