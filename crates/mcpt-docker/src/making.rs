//! Making a container under a name that is a server's own.

use std::time::Duration;

use bollard::{
    errors::Error, models::ContainerCreateBody, query_parameters::CreateContainerOptions,
};
use mcpt_core::{Failure, ServerName};
use tokio::time::{Instant, sleep};

use crate::{
    engine::Engine,
    failure::{failure, is_taken},
    marks::Role,
};

/// How long an engine may take to finish a container that it makes for a killed command.
const FINISHED: Duration = Duration::from_secs(20);
/// Between two looks at whether it has.
const PAUSE: Duration = Duration::from_millis(50);

impl Engine {
    /// Makes a container of this role, and gives its id. The server's lock must be held: what of ours has that name by now is what a
    /// killed command had asked for and the engine has made since. It is removed.
    ///
    /// # Errors
    /// When something that is not ours has its name, or the engine refuses otherwise.
    pub(crate) async fn make(
        &self,
        server: &ServerName,
        role: Role,
        body: ContainerCreateBody,
        what: &str,
    ) -> Result<String, Failure> {
        let name = role.name(server);
        let begun = Instant::now();
        loop {
            let options = CreateContainerOptions {
                name: Some(name.clone()),
                ..CreateContainerOptions::default()
            };
            let made = self.api.create_container(Some(options), body.clone());
            let error = match made.await {
                Ok(made) => return Ok(made.id),
                Err(error) if is_taken(&error) && begun.elapsed() < FINISHED => error,
                Err(error) => return Err(refused(&name, &error, what)),
            };
            let group = self.group(server, what).await?;
            if let Some(unit) = group.everything().find(|unit| unit.role == role) {
                self.remove(&[&unit.id], what).await?;
            } else if self.inspect(&name, what).await?.is_some() {
                return Err(refused(&name, &error, what));
            } else {
                // The name is given away before there is a container.
                sleep(PAUSE).await;
            }
        }
    }
}

fn refused(name: &str, error: &Error, what: &str) -> Failure {
    let failed = failure(what, error);
    if is_taken(error) {
        failed.hint(format!("mcpt did not make {name}: rename or remove it"))
    } else {
        failed
    }
}
