//! The servers of an engine for those who route to them: each replica by its own port, told whenever the engine tells of a
//! change.

use std::{collections::HashMap, time::Duration};

use bollard::{errors::Error, models::EventMessage, query_parameters::EventsOptions};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use mcpt_core::Namespace;
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, ServerKey, ServerSpec,
};
use tokio::time::sleep;

use crate::{
    engine::Engine,
    front, marks,
    unit::{Group, Unit},
};

/// Pause before an engine that cannot be asked is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// A source of the servers of one engine.
#[derive(Debug)]
pub(crate) struct EngineDiscovery {
    engine: Engine,
    namespace: Namespace,
}

impl EngineDiscovery {
    /// All servers there, in one namespace.
    pub(crate) fn new(engine: Engine, namespace: Namespace) -> Self {
        Self { engine, namespace }
    }

    async fn look(&self) -> Option<Vec<ServerSpec>> {
        match self.engine.groups("cannot list the servers").await {
            Ok(groups) => Some(
                groups
                    .iter()
                    .map(|group| spec(group, &self.namespace))
                    .collect(),
            ),
            Err(failure) => {
                tracing::warn!(%failure, "what is known of the servers holds");
                None
            }
        }
    }

    /// News of containers from now on.
    fn news(&self) -> BoxStream<'static, Result<EventMessage, Error>> {
        let options = EventsOptions {
            // Podman knows no labels here but those with a value.
            filters: Some(HashMap::from([(
                "type".to_owned(),
                vec!["container".to_owned()],
            )])),
            ..EventsOptions::default()
        };
        self.engine.api.clone().events(Some(options)).boxed()
    }
}

/// What a watch knows between two looks.
struct Watch {
    source: EngineDiscovery,
    /// While the engine tells news.
    news: Option<BoxStream<'static, Result<EventMessage, Error>>>,
    told: Option<Vec<ServerSpec>>,
}

impl Discovery for EngineDiscovery {
    fn name(&self) -> &'static str {
        "containers"
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        let watch = Watch {
            source: *self,
            news: None,
            told: None,
        };
        stream::unfold(watch, |mut watch| async {
            let specs = watch.next().await;
            Some((Change::Snapshot(specs), watch))
        })
        .boxed()
    }
}

impl Watch {
    /// What there is, once that is something else than before.
    async fn next(&mut self) -> Vec<ServerSpec> {
        loop {
            match &mut self.news {
                None => self.news = Some(self.source.news()),
                Some(news) => match news.next().await {
                    Some(Ok(message)) if is_news(&message) => {}
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => {
                        sleep(AGAIN).await;
                        self.news = Some(self.source.news());
                    }
                },
            }
            let Some(specs) = self.source.look().await else {
                // There may be no further news of what could not be seen.
                self.news = None;
                sleep(AGAIN).await;
                continue;
            };
            if self.told.as_ref() != Some(&specs) {
                self.told = Some(specs.clone());
                return specs;
            }
        }
    }
}

/// Whether it can change where servers are.
fn is_news(message: &EventMessage) -> bool {
    let attributes = message
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    if !attributes.is_some_and(|all| all.contains_key(marks::SERVER)) {
        return false;
    }
    let action = message.action.as_deref().unwrap_or_default();
    !action.starts_with("exec_") && !matches!(action, "create" | "attach" | "kill")
}

/// Where the replicas of a server are. Those of an earlier revision that still run are about to end, as are those that are said
/// to.
fn spec(group: &Group, namespace: &Namespace) -> ServerSpec {
    let current = group.current().map(|(_, units)| units).unwrap_or_default();
    let endpoints = current
        .iter()
        .filter_map(|unit| {
            endpoint(
                unit,
                if unit.is_ready() {
                    Conditions::READY
                } else {
                    Conditions::UNREADY
                },
            )
        })
        .chain(
            group
                .earlier()
                .flat_map(|(_, units)| units)
                .chain(&group.ending)
                .filter_map(|unit| endpoint(unit, Conditions::DRAINING)),
        );
    ServerSpec {
        handling: mcpt_routing::Handling::default(),
        key: ServerKey {
            namespace: namespace.clone(),
            name: group.name.clone(),
        },
        sessions: current
            .first()
            .map_or(mcpt_core::Sessions::Stateful, front::sessions),
        endpoints: endpoints.collect(),
    }
}

/// A replica that runs; another one has no port.
fn endpoint(unit: &Unit, conditions: Conditions) -> Option<EndpointSpec> {
    let address = Address::new("127.0.0.1", unit.published()?, unit.label(marks::PATH)?).ok()?;
    Some(EndpointSpec {
        weight: std::num::NonZeroU32::MIN,
        id: EndpointId::new(&unit.id),
        address: address.called(format!("localhost:{}", unit.label(marks::PORT)?)),
        conditions,
    })
}
