//! The engine as the command line sees it.

use async_trait::async_trait;
use mcpt_core::{
    Backend, BackendName, Capabilities, ChangeOptions, CommandOption, Comparison, Connection,
    DeleteOptions, Deleted, DeployOptions, Deployed, EventStream, Exec, ExecStream, Failure,
    FailureKind, Garbage, GcOptions, InstanceUsage, LogOptions, Logs, Plan, Progress, Recalled,
    Revision, RevisionEntry, Scale, Server, ServerName, ServerState, command_line, near,
};

use crate::{
    compare, delete, deploy, driver, engine::Engine, events, exec, gc, history, logs, recall,
    restart, scale, server, unit::Group, usage,
};

impl Engine {
    /// The refusal of a command about a server that is not there.
    pub(crate) async fn not_found(&self, name: &ServerName) -> Failure {
        // Without a list there is no near match; what is said stays true.
        let groups = self.groups("").await.unwrap_or_default();
        let hint = near::hint(
            name.as_str(),
            groups
                .iter()
                .filter(|group| group.is_there())
                .map(|group| group.name.as_str()),
        );
        Failure::new(
            FailureKind::NotFound,
            format!("there is no server {name} in {}{hint}", self.kind),
        )
        .hint(format!(
            "{} shows those that are there",
            self.command("list")
        ))
    }

    /// A server that is there.
    async fn existing(&self, name: &ServerName, what: &str) -> Result<Group, Failure> {
        let group = self.group(name, what).await?;
        if group.is_there() {
            Ok(group)
        } else {
            Err(self.not_found(name).await)
        }
    }
}

#[async_trait]
impl Backend for Engine {
    fn name(&self) -> BackendName {
        self.kind.backend()
    }

    fn capabilities(&self) -> Capabilities {
        driver::CAPABILITIES
    }

    fn place(&self) -> String {
        format!("in {}", self.kind)
    }

    fn command(&self, words: &str) -> String {
        let name = self.kind.backend();
        let here = [(CommandOption::Backend, name.as_str())];
        command_line(if self.named { &here } else { &[] }, words)
    }

    async fn check(&self, plan: &Plan, options: &DeployOptions) -> Result<(), Failure> {
        deploy::check(self, plan, options).map(drop)
    }

    async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Deployed, Failure> {
        Box::pin(deploy::deploy(self, plan, options, progress)).await
    }

    async fn compare(&self, plan: &Plan, options: &DeployOptions) -> Result<Comparison, Failure> {
        compare::with_plan(self, plan, options).await
    }

    async fn compare_revisions(
        &self,
        name: &ServerName,
        from: Option<Revision>,
        to: Option<Revision>,
    ) -> Result<Comparison, Failure> {
        compare::revisions(self, name, from, to).await
    }

    async fn list(&self) -> Result<Vec<Server>, Failure> {
        let groups = self.groups("cannot list the servers").await?;
        let there = groups.iter().filter(|group| group.is_there());
        Ok(there
            .map(|group| server::listed(self.kind, group))
            .collect())
    }

    async fn has(&self, name: &ServerName) -> Result<bool, Failure> {
        let group = self.group(name, &format!("cannot look for {name}")).await?;
        Ok(group.is_there())
    }

    async fn status(&self, name: &ServerName) -> Result<Server, Failure> {
        let what = format!("cannot look at {name}");
        let group = self.existing(name, &what).await?;
        server::status(self, &group, &what).await
    }

    async fn logs(&self, name: &ServerName, options: &LogOptions) -> Result<Logs, Failure> {
        let what = format!("cannot read the log of {name}");
        let group = self.existing(name, &what).await?;
        logs::logs(self, &group, options).await
    }

    async fn delete(
        &self,
        name: &ServerName,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<Deleted, Failure> {
        delete::delete(self, name, options, progress).await
    }

    async fn scale(
        &self,
        name: &ServerName,
        scale: &Scale,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Box::pin(scale::scale(self, name, scale, options, progress)).await
    }

    async fn restart(
        &self,
        name: &ServerName,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Box::pin(restart::restart(self, name, options, progress)).await
    }

    async fn history(&self, name: &ServerName) -> Result<Vec<RevisionEntry>, Failure> {
        let what = format!("cannot show the history of {name}");
        Ok(history::entries(&self.existing(name, &what).await?))
    }

    async fn rollback(
        &self,
        name: &ServerName,
        to: Option<Revision>,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Box::pin(history::rollback(self, name, to, options, progress)).await
    }

    async fn events(&self, name: &ServerName, follow: bool) -> Result<EventStream, Failure> {
        let what = format!("cannot show the events of {name}");
        let group = self.existing(name, &what).await?;
        Ok(events::events(self, &group, follow))
    }

    async fn usage(&self, name: Option<&ServerName>) -> Result<Vec<InstanceUsage>, Failure> {
        usage::of(self, name).await
    }

    async fn gc(
        &self,
        options: &GcOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Garbage>, Failure> {
        gc::gc(self, options, progress).await
    }

    async fn recall(&self, name: &ServerName) -> Result<Recalled, Failure> {
        let what = format!("cannot tell what was deployed as {name}");
        let group = self.existing(name, &what).await?;
        recall::recall(self, &group, &what).await
    }

    async fn exec(&self, name: &ServerName, exec: Exec) -> Result<ExecStream, Failure> {
        let what = format!("cannot run a command beside {name}");
        let group = self.existing(name, &what).await?;
        exec::run(self, &group, exec, what).await
    }

    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure> {
        let what = format!("cannot connect to {name}");
        let group = self.existing(name, &what).await?;
        let server = server::listed(self.kind, &group);
        let runs = matches!(
            server.state,
            ServerState::Running | ServerState::Pending | ServerState::Degraded
        );
        if let Some(url) = server.url.filter(|_| runs) {
            return Ok(Connection {
                url,
                host: None,
                tunnel: None,
            });
        }
        let failure = Failure::new(FailureKind::Unreachable, format!("{name} does not run"));
        let failure = server.reason.into_iter().fold(failure, Failure::because);
        Err(failure.hint(self.command(&format!("status {name}"))))
    }
}
